"""The loop and everything that runs in it."""

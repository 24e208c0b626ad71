"""Layers that two domains or more use."""

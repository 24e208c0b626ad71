"""What is known about a model as one page, for the person who is to rely on it."""

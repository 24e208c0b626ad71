"""A trained model on disk, able to predict."""

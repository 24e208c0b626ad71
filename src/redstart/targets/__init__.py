"""Targets of no one domain."""

"""Arithmetic on predictions: comparison, calibration, sets, slices, labels, curves."""

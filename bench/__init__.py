"""Measurements, each as a ratio against a named rival or limit in the same run."""

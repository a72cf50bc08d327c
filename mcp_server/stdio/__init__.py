"""Serving over standard input and output, behind the front door."""

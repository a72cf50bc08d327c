"""Serving over Streamable HTTP: who may ask, how much, and how it ends."""

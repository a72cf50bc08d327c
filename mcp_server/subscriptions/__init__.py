"""Telling clients that resources have changed, in both eras of the protocol."""

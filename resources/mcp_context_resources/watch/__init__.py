"""Noticing that files change while somebody wants to know."""

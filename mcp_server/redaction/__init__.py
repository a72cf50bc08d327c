"""Redaction at the front door: private values taken out of answers, and put back into calls."""

"""Redaction: secrets and personal data become placeholders that only this process can turn back."""

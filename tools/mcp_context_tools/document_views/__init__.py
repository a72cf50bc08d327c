"""The views of `read_document`, one module each."""

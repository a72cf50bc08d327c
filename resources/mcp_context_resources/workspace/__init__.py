"""The folders a user chose, and the sources in them."""

"""Synchronization of the index with what is on disk, in the server process."""

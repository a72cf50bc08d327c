"""The index engine of this machine: SQLite, tantivy and vectors in files. Imported in worker processes only."""

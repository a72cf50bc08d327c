"""The search index: passages of documents and tables, found by words and by meaning."""

"""Loaders of files that DuckDB does not read itself: workbooks, databases, statistics files, marked-up tables."""

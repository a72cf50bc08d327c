"""DuckDB behind the tables. Imported in worker processes only; the only importer of duckdb and pandas."""

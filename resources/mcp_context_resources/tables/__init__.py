"""Local tables behind one read-only SQL engine. The only importer of duckdb and pandas."""

"""Files of other programs (workbooks, databases, statistics files, marked-up tables) read into DuckDB tables."""

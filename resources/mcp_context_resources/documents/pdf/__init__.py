"""PDFs: text in reading order, tables, pictures and structure. Imported in worker processes only."""

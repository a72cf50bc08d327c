"""Word documents and presentations as sections. Imported in worker processes only."""

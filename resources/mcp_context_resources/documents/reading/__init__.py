"""Reading of open documents, whatever their format. Imported in worker processes only."""

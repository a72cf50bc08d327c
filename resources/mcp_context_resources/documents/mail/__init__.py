"""E-mail messages as sections. Imported in worker processes only."""

"""GGUF files: their headers, and the cards made of them. Imported in worker processes only."""

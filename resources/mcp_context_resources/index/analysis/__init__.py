"""Text analysis: texts taken apart into the terms the index holds, one way for every script."""

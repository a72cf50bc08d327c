"""The command line: `fresh-context` and its commands."""

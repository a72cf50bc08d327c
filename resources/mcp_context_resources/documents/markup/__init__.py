"""Markup and plain text as sections under headings (HTML, EPUB, Markdown, notebooks). In worker processes only."""

"""Tables on PDF pages: found by their rules, their cell backgrounds, or the alignment of their text."""

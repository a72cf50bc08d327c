"""What was found, made ready to be shown: filters, quotes, places, copies folded, pages of hits."""

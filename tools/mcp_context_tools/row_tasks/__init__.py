"""What `map_rows` can do with each row."""

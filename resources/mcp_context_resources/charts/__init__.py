"""Charts of query results: Vega-Lite, drawn to PNG in a process of its own."""

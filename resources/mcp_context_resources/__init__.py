"""What there is to serve: workspace, tables, documents and models."""

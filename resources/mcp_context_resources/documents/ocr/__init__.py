"""Text recognised on pictures of pages."""

"""What `run_model` can do, one module a task."""

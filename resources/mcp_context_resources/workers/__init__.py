"""Engine processes: started on first use, confined, bounded in time and memory, killed and replaced when they fail."""

"""What an agent can ask for: one module a tool family."""

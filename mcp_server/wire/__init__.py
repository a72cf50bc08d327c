"""The wire: tools, prompts and errors as the SDK hands them to clients."""

"""Models on OpenAI-compatible servers. The only importer of httpx2."""

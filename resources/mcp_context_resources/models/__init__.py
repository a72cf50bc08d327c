"""Local language models. The only importer of llama_cpp."""

"""llama.cpp inside a worker process. The only importer of llama_cpp and llguidance."""

"""Where the search index gets its texts and vectors from: documents, tables and the models that embed."""

"""What a model is given to read for a question: the best passages and tables, within a number of tokens."""

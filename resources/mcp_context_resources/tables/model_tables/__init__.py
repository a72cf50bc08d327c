"""Tables made of the rows of a statement and what a model found in each of them."""

"""Stories in: load and run them."""

"""How fast papertape is; README.md says what is measured and how to run it."""

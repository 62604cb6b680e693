"""The nouns: what everything else is said in."""

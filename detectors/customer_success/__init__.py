"""Customer Success Manager, Product and Legal."""

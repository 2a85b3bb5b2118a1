"""How every table came to be: digests, statements, the store that keeps them, staleness."""

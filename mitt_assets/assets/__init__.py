"""The steps of the chain, one file each, and the graph they form."""

"""Ways in which a partition can be wrong, each applied to a sound miniature study."""

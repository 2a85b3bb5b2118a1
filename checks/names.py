"""What the two checks of every asset are called."""

SOUND = "sound"
"""Blocking: what reads the partition may rely on it."""
PLAUSIBLE = "plausible"
"""A warning: nothing in the partition that a person should look at."""

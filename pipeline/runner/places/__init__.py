"""The places a run writes to: whether each is still the one it was, and nobody else's meanwhile."""

"""Which assets there are: what sources list, and which of it is one and the same."""

"""Use cases: what a page or a command asks for in one call."""

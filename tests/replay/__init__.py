"""History as if live."""

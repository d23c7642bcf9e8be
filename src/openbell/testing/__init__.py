"""What takes the place of a system that not everybody has, in tests and at a first try."""

"""The desk's own library: prices, features, signals, books of one market at a time. It knows nothing of openbell."""

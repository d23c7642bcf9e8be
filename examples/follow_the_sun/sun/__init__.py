"""The desk's own library: prices, features, signals, books of a market. It knows nothing of openbell."""

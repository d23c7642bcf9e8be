"""The desk's own library: prices, scenarios, measures, strategies. It knows nothing of openbell."""

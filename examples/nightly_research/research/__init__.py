"""The desk's own library: prices, scenarios, indicators, measures, strategies. It knows nothing of openbell."""

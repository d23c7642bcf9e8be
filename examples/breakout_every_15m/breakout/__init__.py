"""The desk's own library: exports, bars, breakouts. It knows nothing of openbell."""

"""Settings + index + catalogue → the graph of invocations: pure functions over plain data."""

"""How findings are said: one message tree, and one formatter for each place that shows it. Code, not output; no I/O."""

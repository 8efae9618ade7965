"""What runs the rules: a scan, what can run on a source, and the questions that are asked beside a scan."""

"""Legal: requests with a legal side, by e-mail only."""

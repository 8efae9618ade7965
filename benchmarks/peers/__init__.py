"""Nine checks by other tools, by plain SQL, by pandas and by Hearthwatch, side by side on one PostgreSQL."""

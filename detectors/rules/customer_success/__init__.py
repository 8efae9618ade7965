"""Customer Success Manager: disputes, capacity, policy questions, and customers of high value."""

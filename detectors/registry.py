"""Every detector, in the order of the process document."""

"""Large towns to measure on, and the measurements themselves."""

"""A lake that a Spark cluster reads, through Spark Connect: the same statements, worked out there."""

"""What is evaluated: one kind of case for each thing that a pass names, and what fetches its facts by key."""

"""What is known of other apps, as settings of a source: the names of their tables, columns and words, and what is otherwise."""

"""What is wrong: one file for each rule, by family. A leading underscore marks what several rules share."""

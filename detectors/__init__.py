"""What is wrong: detectors, the passes that they have conditions on, and the source that is read."""

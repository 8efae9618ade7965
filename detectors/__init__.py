"""What is wrong: detectors, the passes they ride on and the source they read."""

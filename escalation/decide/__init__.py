"""What is done about a finding, and why. Pure: no I/O and no clock."""

"""Security: who may read and change what, and for how long."""

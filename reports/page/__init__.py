"""The morning page: one HTML file that needs nothing else, from plain values to text. No part of it reads or writes."""

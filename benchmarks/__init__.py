"""Timings of whole networks and training steps; `make bench` runs them and prints tables."""

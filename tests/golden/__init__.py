"""Parity with published implementations: stored numbers, and the checker that compares ours with them."""

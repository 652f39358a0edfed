"""Everything that a GPU can prove, most valuable first, in slices that add up: `make bench-gpu`."""

"""Mistakes of one line, planted one at a time in a copy of the tree: a named test must find each.

python -m tests.mutants                 all of them, as a table
python -m tests.mutants NAME ...        some
"""

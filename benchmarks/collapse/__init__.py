"""Mode collapse, measured: the same small GAN without guards and with them, on sets whose modes are known.

Stacked digits (1,000 modes) and a grid of 25 Gaussians; also runs that are sabotaged on purpose.
`python -m benchmarks.collapse --help`; docs/COLLAPSE.md has the results.
"""

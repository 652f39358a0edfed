"""Whole pieces of work that join training and metrics: train, score, tune, evaluate, sample, report.

Each is a function that a notebook can call and that a command of `gan.cli` calls once. Nothing here knows of
command lines.
"""

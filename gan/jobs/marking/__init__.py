"""Marks of what a model made: metadata of files, and a watermark in the pixels."""

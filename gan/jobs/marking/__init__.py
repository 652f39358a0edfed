"""Marks of what a model made: metadata of files, a watermark in the pixels, a signature of the file."""

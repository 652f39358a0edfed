"""The HTTP API of `gan serve`."""

"""Pages on this machine: a shell that all of them share, and one package a page.

Nothing here does the work of a command: pages call functions of `gan.jobs`. The web framework is the extra
`web`, imported inside functions.
"""

"""`python -m gan`: the same as the command `gan`, whatever lies in the working directory.

Python puts that directory before the installation, where a folder named training, metrics or ops, as many
checkouts have one, would hide ours. (One named gan would hide this file: then only the command serves.)
"""

import sys
from pathlib import Path


def main() -> None:
    """The command line, without the working directory on the path unless this package lies there."""
    here, root = Path.cwd().resolve(), Path(__file__).resolve().parents[1]
    if here != root:
        sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != here]
    from gan.cli import main as cli

    cli.main()


if __name__ == "__main__":
    main()

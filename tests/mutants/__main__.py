"""Plant mutants and print which tests found them: `python -m tests.mutants [NAME ...]`."""

import sys
import tempfile
import time
from pathlib import Path

from tests.mutants import planting
from tests.mutants.listed import MUTANTS


def main(names: list[str]) -> int:
    """1 if a mutant was not found, 2 for an unknown name or tests that fail without any."""
    known = {mutant.name: mutant for mutant in MUTANTS}
    if unknown := [name for name in names if name not in known]:
        print(f"no mutant {', '.join(unknown)}; known: {', '.join(known)}", file=sys.stderr)
        return 2
    chosen = [known[name] for name in names] or list(MUTANTS)
    with tempfile.TemporaryDirectory() as folder:
        tree = planting.copied(Path(folder))
        tests = tuple(dict.fromkeys(test for mutant in chosen for test in mutant.tests))
        honest = planting.run(tree, tests)
        if honest.returncode != planting.PASSED:
            print(f"without any mutant:\n{honest.stdout[-3000:]}{honest.stderr[-1000:]}", file=sys.stderr)
            return 2
        lost = [mutant.name for mutant in chosen if not _tried(mutant, tree)]
    print(f"{len(chosen) - len(lost)} of {len(chosen)} found" + "".join(f"\nnot found: {n}" for n in lost))
    return int(bool(lost))


def _tried(mutant: planting.Mutant, tree: Path) -> bool:
    """One line about a mutant; whether it was found."""
    begun = time.monotonic()
    found, output = planting.is_found(mutant, tree)
    failed = [line.split()[1] for line in output.splitlines() if line.startswith("FAILED")]
    seconds = time.monotonic() - begun
    state = failed[0] if found and failed else "found" if found else "NOT FOUND"
    print(f"{mutant.name:<44} {seconds:5.1f} s  {state}", flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

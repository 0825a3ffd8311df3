"""The one gate: format, lint, types, tests. Run as ``python tests/check.py [--full] [pytest arguments]``.

Every stage runs even when an earlier one fails; pytest comes last, so that its summary line is the last
line. Tests run in two processes, file by file; ``-n0`` as an argument runs them in one. A browser test that
fails is run once more and named in the summary (see ``tests/browser/conftest.py``). The exit code is 0 only if all
stages passed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAGES = {
    "format": ["ruff", "format", "--check", "."],
    "lint": ["ruff", "check", "."],
    "types": ["mypy"],
}


def run(name: str, arguments: list[str]) -> bool:
    """Run one stage as a module of this interpreter; return whether it passed."""
    print(f"== {name}", flush=True)
    return subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, check=False).returncode == 0


def main(arguments: list[str]) -> int:
    """Run all stages; return the exit code."""
    failed = [name for name, command in STAGES.items() if not run(name, command)]
    if failed:
        print(f"== failed so far: {', '.join(failed)}", flush=True)
    passed = run("tests", ["pytest", "-n2", "--dist=loadfile", "-rR", *arguments])
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

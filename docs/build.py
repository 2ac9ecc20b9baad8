"""Build the documentation into site/; a warning fails the build.

`python docs/build.py` from anywhere. The builder is zensical, which reads mkdocs.yml.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# The builder takes `[["a", 1], [2, 3]]` in an example for a link to a page named "2, 3". A name of
# ours is letters, digits and dots, so nothing true is lost with what is none.
_NO_LINK = re.compile(r"unresolved autoref `(?![A-Za-z_][\w.]*`)")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_WARNING = re.compile(r"warning:|griffe:|error:", re.IGNORECASE)


def main() -> int:
    """Run the builder, fail on what it warns of, and say where the pages are."""
    command = [sys.executable, "-m", "zensical", "build", "--clean"]
    built = subprocess.run(  # noqa: S603
        command, cwd=ROOT, check=False, capture_output=True, text=True
    )
    lines = _COLOUR.sub("", built.stdout + built.stderr).splitlines()
    warnings = [line for line in lines if _WARNING.search(line) and not _NO_LINK.search(line)]
    if built.returncode or warnings:
        print("\n".join(lines), file=sys.stderr)
        return 1
    print(ROOT / "site" / "index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())

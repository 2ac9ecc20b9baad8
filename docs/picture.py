"""Take the picture of the README: the top of the page that `make demo` wrote.

`python docs/picture.py [runs/demo/report.html]`; needs Chromium.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "assets" / "report.png"


def main(page: Path = ROOT / "runs" / "demo" / "report.html") -> None:
    """Open the page in a headless Chromium of fixed size and keep what it shows."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None or not page.is_file():
        sys.exit(f"error: needs Chromium and {page}\nhint: make demo")
    PICTURE.parent.mkdir(exist_ok=True)
    subprocess.run(  # noqa: S603
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--hide-scrollbars",
            "--window-size=1200,1500",
            f"--screenshot={PICTURE}",
            page.resolve().as_uri(),
        ],
        check=True,
        capture_output=True,
    )
    print(PICTURE)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:2]))

"""A browser that knows nothing yet, for tests of pages. Where Chromium lacks they are skipped, or fail if told so."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REQUIRED = "SIAGA_REQUIRE_BROWSER"
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars")
WIDTH = 1200
MARK = "document.title='ran';document.body.append(Object.assign(document.createElement('i'),{id:'ran'}))"
PAYLOADS = (
    f"<script>{MARK}</script>",
    f'<img src=x onerror="{MARK}">',
    f'"><svg onload="{MARK}">',
    f'</style></title></pre><body onload="{MARK}">',
    f'\'"><details open ontoggle="{MARK}">',
)


@pytest.fixture(scope="session")
def browser() -> str:
    """The browser's path."""
    found = shutil.which("chromium")
    if found is None and os.environ.get(REQUIRED) == "1":
        pytest.fail(f"chromium is not installed, and {REQUIRED} is 1")
    if found is None:
        pytest.skip(f"chromium is not installed; with {REQUIRED}=1 this fails")
    return found


def dom_of(browser: str, page: Path, scratch: Path, *, width: int = WIDTH) -> str:
    """Return the page as it is once its scripts ran."""
    return browse(browser, page, scratch, "--dump-dom", width=width)


def browse(browser: str, page: Path, scratch: Path, *flags: str, width: int = WIDTH) -> str:
    """Open a page in a browser that knows nothing yet, and return what it printed."""
    where = (f"--user-data-dir={scratch / 'profile'}", f"--window-size={width},900")
    command = [browser, *FLAGS, *where, *flags, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout

# SPDX-License-Identifier: Apache-2.0
"""A page as a reader has it: opened in a headless browser, offline."""

import shutil
import subprocess
from pathlib import Path

import pytest

__all__ = ["visit"]

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
           "--disable-background-networking", "--disable-component-update", "--disable-sync",
           "--enable-logging=stderr", "--virtual-time-budget=3000", "--dump-dom")


def browser() -> str:
    """Path of a browser; skips without one."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed, so no page was opened")
    return found


def visit(page: Path, scratch: Path, at: str = "") -> tuple[str, str]:
    """The document after scripts have run, and what the browser logged; ``at`` is a fragment."""
    done = subprocess.run([browser(), *OPTIONS, f"--user-data-dir={scratch / 'profile'}",
                           page.as_uri() + at], capture_output=True, text=True, check=True,
                          timeout=120)
    return done.stdout, done.stderr

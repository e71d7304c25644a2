# SPDX-License-Identifier: Apache-2.0
"""Pages as readers see them: texts of studies for given records, a page in a headless browser."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from reports.registry import Records, Study, find
from reports.render import answer, environment, page_text

Record = dict[str, Any]
ORIGIN = {
    "command": "make x",
    "commit": "0123456789",
    "dirty": False,
    "date": "2026-01-02T03:04",
    "tools": {},
    "library": None,
    "seed": None,
}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=3000",
    "--dump-dom",
)


def said(study: str, records: Sequence[Record] | Records) -> str:
    """The answer of a study to its own records, or to those of several files."""
    found, by_file = _given(study, records)
    return answer(environment(), found, by_file)


def shown(study: str, records: Sequence[Record] | Records) -> str:
    """The page of a study; records need no provenance."""
    found, by_file = _given(study, records)
    return page_text(
        environment(),
        found,
        {
            name: [
                {"not_done": []} | record | {"provenance": ORIGIN | record.get("provenance", {})}
                for record in each
            ]
            for name, each in by_file.items()
        },
    )


def _given(study: str, records: Sequence[Record] | Records) -> tuple[Study, Records]:
    found = find(study)
    assert found is not None
    return found, records if isinstance(records, Mapping) else {study: records}


def browser() -> str:
    """Path of a browser; skips without one."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed, so no page was opened")
    return found


def visit(page: Path | str, scratch: Path, at: str = "") -> tuple[str, str]:
    """The document after scripts have run, and what the browser logged.

    ``page`` is a file or an address, ``at`` a fragment.
    """
    address = page if isinstance(page, str) else page.as_uri()
    done = subprocess.run(
        [browser(), *OPTIONS, f"--user-data-dir={scratch / 'profile'}", address + at],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout, done.stderr

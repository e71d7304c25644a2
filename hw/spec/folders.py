# SPDX-License-Identifier: Apache-2.0
"""Folders for caches and downloads.

In a checkout both are in ``build``. An installed copy keeps them in the user's XDG folders, usually
``~/.cache/bytemac`` and ``~/.local/share/bytemac``. The environment variable ``BYTEMAC_HOME`` names
one folder for both instead. Nothing is written to the folder of the installed code.
"""

import os
from pathlib import Path

VARIABLE = "BYTEMAC_HOME"
#: Folder that contains the packages: the checkout, or ``site-packages``.
ROOT = Path(__file__).resolve().parents[2]
#: Records that are part of the project.
RECORDS = ROOT / "reports" / "data"

#: The OSU 0.18 um cell library, below the folder ``osu018`` of `data` or the root of the system.
CELL_LIBRARY = Path("usr/share/qflow/tech/osu018/osu018_stdcells.lib")


def checkout() -> Path | None:
    """Folder of the checkout that this code runs from; None for an installed copy."""
    return ROOT if (ROOT / "pyproject.toml").is_file() else None


def cache(name: str) -> Path:
    """Folder for files that can be regenerated at any time."""
    return _folder("XDG_CACHE_HOME", ".cache", name)


def data(name: str) -> Path:
    """Folder for downloaded files."""
    return _folder("XDG_DATA_HOME", ".local/share", name)


def cell_library() -> Path | None:
    """The OSU 0.18 um cell library, downloaded or installed system-wide; None if it is missing."""
    places = (data("osu018") / CELL_LIBRARY, Path("/") / CELL_LIBRARY)
    return next((place for place in places if place.is_file()), None)


def records() -> Path:
    """Folder for new records of studies: ``reports/data`` in a checkout, else a user folder."""
    return RECORDS if checkout() else data("records")


def _folder(variable: str, usual: str, name: str) -> Path:
    own, root = os.environ.get(VARIABLE), checkout()
    if own:
        return Path(own).expanduser().absolute() / name
    if root:
        return root / "build" / name
    base = Path(os.environ.get(variable, ""))
    # The XDG specification requires that relative paths are ignored.
    return (base if base.is_absolute() else Path.home() / usual) / "bytemac" / name

# SPDX-License-Identifier: Apache-2.0
"""Cell libraries for tests, and an evaluator of Liberty's functions that shares no code."""

import os
import re
from pathlib import Path

from synth.flow import osu018

TINY = Path(__file__).parents[1] / "data" / "tiny.lib"
#: Folder with one .lib or .lib.gz a library, or a folder of files a library.
FOLDER = os.environ.get("BYTEMAC_LIBERTY", "")

_STEPS = [
    (re.compile(r"\(([01])\)"), lambda m: m[1]),
    (re.compile(r"!([01])(?!')"), lambda m: str(1 - int(m[1]))),
    (re.compile(r"([01])'"), lambda m: str(1 - int(m[1]))),
    (re.compile(r"(?<!!)([01])\^([01])(?!')"), lambda m: str(int(m[1]) ^ int(m[2]))),
    (re.compile(r"(?<![!^])([01])[*&]?([01])(?![\^'])"), lambda m: str(int(m[1]) & int(m[2]))),
    (
        re.compile(r"(?<![!^*&01)])([01])[+|]([01])(?![\^*&01'(!])"),
        lambda m: str(int(m[1]) | int(m[2])),
    ),
]


def installed_libraries():
    """Name and files of the libraries that this machine has."""
    osu = osu018.find()
    found = {osu.name: [osu]} if osu else {}
    for path in sorted(Path(FOLDER).iterdir()) if FOLDER else ():
        found[path.name] = sorted(path.iterdir()) if path.is_dir() else [path]
    return found


def rewritten(text, values):
    """Value of a function: names replaced by their bits, then rewritten until one bit is left."""
    text = re.sub(r"[A-Za-z_]\w*", lambda m: f"({int(values[m[0]])})", text)
    text = re.sub(r"\s", "", text)
    while len(text) > 1:
        for pattern, change in _STEPS:
            text, count = pattern.subn(change, text, count=1)
            if count:
                break
        else:
            raise AssertionError(text)
    return text == "1"

# SPDX-License-Identifier: Apache-2.0
"""Reports a missing package in one line, even before a command reads its options.

``python -m sim.run`` imports the package ``sim`` first. The ``__init__`` of each package imports
this module before others, so that a missing package in a later import prints one line instead of a
traceback.
"""

import sys
from types import TracebackType

from hw.spec.packages import explanation


def _report(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """Print a line about a missing package and exit with status 2; else print the traceback."""
    sentence = explanation(error) if isinstance(error, ModuleNotFoundError) else None
    if sentence is None:
        sys.__excepthook__(kind, error, traceback)
        return
    print(f"{_program()}: error: {sentence}", file=sys.stderr)
    raise SystemExit(2)


def _program() -> str:
    """Command as it was typed, ``python -m MODULE``."""
    words = sys.orig_argv
    place = words.index("-m") + 1 if "-m" in words else len(words)
    return " ".join(["python", "-m", *words[place : place + 1]])


# Python sets this placeholder while ``python -m`` imports the packages that contain the module.
if sys.argv[:1] == ["-m"]:
    sys.excepthook = _report

# SPDX-License-Identifier: Apache-2.0
"""What becomes of errors before a command reads its options: one line instead of a traceback.

``python -m sim.run`` imports the package ``sim`` before anything else. The ``__init__`` of each
package imports this module first, so that a failure of any later import is reported as other errors
are.
"""

import sys
from types import TracebackType

from hw.spec.packages import explanation


def _report(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """Print a line about a missing package and exit with 2; a traceback of any other error."""
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


# `sys.argv` begins so while ``python -m`` imports the packages around its module.
if sys.argv[:1] == ["-m"]:
    sys.excepthook = _report

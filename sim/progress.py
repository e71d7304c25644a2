# SPDX-License-Identifier: Apache-2.0
"""What a run reports on stderr while it takes a while."""

import sys
import time

#: Seconds that a run may take without a word.
PATIENCE = 2.0


class Progress:
    """Reports what happens, with the seconds since the start, but not too often."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()

    def __call__(self, text: str) -> None:
        """Report how far the run is, if nothing was reported for `PATIENCE` seconds."""
        if time.perf_counter() - self._last >= PATIENCE:
            self.at_once(text)

    def at_once(self, text: str) -> None:
        """Report what will take a while."""
        self._last = time.perf_counter()
        print(f"[{self._last - self._start:5.1f} s] {text}", file=sys.stderr, flush=True)

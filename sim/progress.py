# SPDX-License-Identifier: Apache-2.0
"""Progress reports on stderr for long runs."""

import sys
import time

#: Seconds between reports.
PATIENCE = 2.0


class Progress:
    """Reports progress and elapsed seconds, but not too often."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()

    def __call__(self, text: str) -> None:
        """Report progress, unless there was a report in the last `PATIENCE` seconds."""
        if time.perf_counter() - self._last >= PATIENCE:
            self.at_once(text)

    def at_once(self, text: str) -> None:
        """Report now, for instance before a long step."""
        self._last = time.perf_counter()
        print(f"[{self._last - self._start:5.1f} s] {text}", file=sys.stderr, flush=True)

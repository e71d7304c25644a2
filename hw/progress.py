# SPDX-License-Identifier: Apache-2.0
"""What a command reports on stderr while it takes a while.

On a terminal that is one line with the time that has passed, which goes away at the end; elsewhere
a line every few seconds. A command that is done within `PATIENCE` reports nothing, and none does
with ``--quiet``. `NO_COLOR` is respected. Every floor may import this.
"""

import threading
import time
from typing import Any

from hw import manners

#: Seconds that a step may take before it is reported.
PATIENCE = 2.0


class _Terminal:
    """The line on a terminal; there is one, so that several steps share it."""

    def __init__(self) -> None:
        self._line: Any = None
        self._task: Any = None
        self._lock = threading.Lock()

    def show(self, text: str) -> bool:
        """Show ``text``; False where stderr is no terminal or rich is not installed."""
        with self._lock:
            if self._line is None and not self._open():
                return False
            self._line.update(self._task, description=text)
            return True

    def _open(self) -> bool:
        try:
            from rich.console import Console
            from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
        except ImportError:
            return False
        console = Console(stderr=True)
        if not console.is_terminal or console.is_dumb_terminal:
            return False
        self._line = Progress(
            SpinnerColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._line.add_task("", total=None)
        self._line.start()
        manners.at_end(self.close)
        return True

    def close(self) -> None:
        """Take the line away."""
        with self._lock:
            if self._line is not None:
                self._line.stop()
                self._line = None


_TERMINAL = _Terminal()


class Progress:
    """Reports what happens, with the seconds since the start, but not too often."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._timer: threading.Timer | None = None

    def __call__(self, text: str) -> None:
        """Report how far the run is, if nothing was reported for `PATIENCE` seconds."""
        if time.perf_counter() - self._last >= PATIENCE:
            self._report(text)

    def at_once(self, text: str) -> None:
        """Report a step that may take a while, as soon as it has taken `PATIENCE` seconds."""
        self.cancel()
        self._timer = threading.Timer(PATIENCE, self._report, [text])
        self._timer.daemon = True
        self._timer.start()
        manners.at_end(self.cancel)

    def cancel(self) -> None:
        """Forget the step that was to be reported."""
        if self._timer is not None:
            self._timer.cancel()

    def done(self) -> None:
        """The run is over: results come next."""
        self.cancel()
        _TERMINAL.close()

    def note(self, text: str) -> None:
        """Print a line that stays, such as the command to run next."""
        self.done()
        if not manners.is_quiet():
            manners.say(text)

    def _report(self, text: str) -> None:
        self._last = time.perf_counter()
        if not manners.is_quiet() and not _TERMINAL.show(text):
            manners.say(f"[{self._last - self._start:5.1f} s] {text}")

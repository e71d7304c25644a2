# SPDX-License-Identifier: Apache-2.0
"""Progress reports on stderr.

On a terminal, progress is one line with the elapsed time, which is removed at the end. Elsewhere, a
line is printed every few seconds. A command that ends within `PATIENCE` seconds reports nothing;
``--quiet`` turns reports off. `NO_COLOR` is respected. Every package may import this module.
"""

import threading
import time
from typing import Any

from hw import manners

#: Seconds that a step may take before it is reported.
PATIENCE = 2.0


class _Terminal:
    """The progress line on a terminal, shared by all steps."""

    def __init__(self) -> None:
        self._line: Any = None
        self._task: Any = None
        self._lock = threading.Lock()

    def show(self, text: str) -> bool:
        """Show ``text``; return False if stderr is not a terminal or rich is not installed."""
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
        """Remove the line."""
        with self._lock:
            if self._line is not None:
                self._line.stop()
                self._line = None


_TERMINAL = _Terminal()


class Progress:
    """Reports steps and the seconds since the start, at most once every `PATIENCE` seconds."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._timer: threading.Timer | None = None

    def __call__(self, text: str) -> None:
        """Report ``text``, unless there was a report in the last `PATIENCE` seconds."""
        if time.perf_counter() - self._last >= PATIENCE:
            self._report(text)

    def at_once(self, text: str) -> None:
        """Report a step that may be slow, once it has taken `PATIENCE` seconds."""
        self.cancel()
        self._timer = threading.Timer(PATIENCE, self._report, [text])
        self._timer.daemon = True
        self._timer.start()
        manners.at_end(self.cancel)

    def cancel(self) -> None:
        """Cancel the report that `at_once` has scheduled."""
        if self._timer is not None:
            self._timer.cancel()

    def done(self) -> None:
        """End progress reports, before results are printed."""
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

# SPDX-License-Identifier: Apache-2.0
"""Signals, exit statuses and temporary files of all commands.

This module handles Ctrl-C, SIGTERM, a closed pipe and a full disk. An interrupted command ends its
child processes, removes its temporary files, prints one line and exits with the status that a shell
expects.

`hw`, `sim`, `synth` and `reports` import this module first, so that its handlers are installed
while the rest is imported. It does nothing in a process that is not one of our commands: a program
that imports the packages keeps its own signal handlers. Standard library only; every package may
import it.
"""

import atexit
import errno
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType
from typing import TextIO

#: Packages that contain commands, and the name of the installed command.
ROOMS = ("bytemac", "hw", "sim", "synth", "reports")
SCRIPT = "bytemac"
#: Exit status if the reader of stdout has closed the pipe; a shell reports the same after SIGPIPE.
CLOSED = 128 + 13
#: Errors of a full or broken disk; the options are not the cause.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
#: Prefix of temporary folders; files are written there and then renamed.
WRITING = ".writing-"
#: Seconds allowed for child processes to end, and for the command to unwind.
GRACE_S, UNWIND_S = 1.0, 5.0
WORDS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "terminated (hangup)"}


class Stopped(KeyboardInterrupt):
    """A signal that ends the command. It unwinds as Ctrl-C does."""


class _State:
    """What this process must clean up, and how it is being ended."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.program = ""
        self.unwinds = 0
        self.stopped_by = 0
        self.is_quiet = False
        self.endings: list[Callable[[], None]] = []
        self.folders: set[str] = set()


_STATE = _State()


def command_name() -> str:
    """Name of the command that this process runs; empty in any other program."""
    first, words = (sys.argv or [""])[0], sys.orig_argv
    if first == "-m":  # Python's placeholder until it has found the module.
        place = next(index for index, word in enumerate(words) if word.startswith("-m"))
        module = words[place][2:] or words[place + 1]
        return f"python -m {module}" if module.partition(".")[0] in ROOMS else ""
    name = os.path.basename(first).removesuffix(".exe")
    return SCRIPT if name == SCRIPT else ""


def install() -> None:
    """Set up signal handlers and streams, if this process is a command."""
    _STATE.program = command_name()
    if not _STATE.program:
        return
    for name in WORDS:
        number = getattr(signal, name, None)
        # A signal that is ignored from the start, as under nohup, stays ignored.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _on_signal)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # Print file names that are not UTF-8 with escapes.
            stream.reconfigure(errors="backslashreplace")
    atexit.register(_at_exit)


def is_command() -> bool:
    """Whether this process is one of our commands, and not a program that imports us."""
    return bool(_STATE.program)


def quiet(wanted: bool) -> None:
    """Turn progress reports off, as for ``--quiet``, or on."""
    _STATE.is_quiet = wanted


def is_quiet() -> bool:
    """Whether progress reports are off."""
    return _STATE.is_quiet


@contextmanager
def unwinding() -> Iterator[None]:
    """Make a signal raise `Stopped` inside the ``with`` block; outside, it ends the process."""
    _STATE.unwinds += 1
    try:
        yield
    finally:
        _STATE.unwinds -= 1


@contextmanager
def folder_in(parent: str | os.PathLike[str], prefix: str = WRITING) -> Iterator[str]:
    """Make a folder in ``parent``; remove it after the ``with`` block or when the process ends."""
    path = os.path.join(parent, f"{prefix}{os.urandom(6).hex()}")
    _STATE.folders.add(path)  # Before mkdir, because a signal may come at any time.
    try:
        os.mkdir(path, 0o700)
        yield path
    finally:
        _remove(path)


@contextmanager
def made(path: str | os.PathLike[str]) -> Iterator[None]:
    """Make a folder with its parents. If the block fails, those that are empty are removed."""
    new, place = [], os.path.abspath(path)
    while not os.path.lexists(place):
        new.append(place)
        place = os.path.dirname(place)
    try:
        os.makedirs(path, exist_ok=True)
        yield
    except BaseException:
        for folder in new:
            with suppress(OSError):
                os.rmdir(folder)
        raise


@contextmanager
def temporary_files() -> Iterator[None]:
    """Put all temporary files of this command and of its child processes into one new folder.

    The folder is removed at the end, together with files that a killed tool left in it. Raises
    OSError if the folder cannot be made.
    """
    if not is_command() or _STATE.pid != os.getpid():
        yield
        return
    import tempfile

    before = os.environ.get("TMPDIR")
    with ExitStack() as stack:
        try:
            parent = before or tempfile.gettempdir()
            folder = stack.enter_context(folder_in(parent, f"{SCRIPT}-"))
        except OSError as error:
            reason = f"{(error.strerror or str(error)).lower()}: {before or error.filename}"
            message = f"TMPDIR must be a folder that can be written ({reason})"
            raise OSError(message) from (error if error.errno in FULL else None)
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir = None
            del os.environ["TMPDIR"]
            if before is not None:
                os.environ["TMPDIR"] = before


def stopped() -> tuple[int, str]:
    """Exit status and word for the signal that ended this command; Ctrl-C by default."""
    number = signal.Signals(_STATE.stopped_by or signal.SIGINT)
    return 128 + number, WORDS[number.name]


def at_end(callback: Callable[[], None]) -> None:
    """Call ``callback`` once before the command prints its last line, however it ends."""
    if callback not in _STATE.endings:
        _STATE.endings.append(callback)


def settle() -> None:
    """Call the functions that `at_end` registered."""
    while _STATE.endings:
        _STATE.endings.pop()()


def was_stopped() -> bool:
    """Whether a signal is ending this command."""
    return bool(_STATE.stopped_by)


def say(text: str) -> None:
    """Print a line on stderr; do nothing if stderr is closed."""
    try:
        print(text, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        _mute(sys.stderr)


def flushed(program: str, status: int) -> int:
    """Flush stdout; return ``status``, or the status of the error if it cannot be written."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except OSError as error:
        return unwritten(program, error)


def unwritten(program: str, error: OSError) -> int:
    """Exit status if output cannot be written; prints the reason, unless the pipe was closed."""
    _mute(sys.stdout)
    if isinstance(error, BrokenPipeError):
        _mute(sys.stderr)
        return CLOSED
    say(f"{program}: error: Output could not be written ({(error.strerror or str(error)).lower()})")
    return 1


def descendants(of: int) -> list[int]:
    """Running descendants of the process ``of``."""
    children: dict[int, list[int]] = {}
    for pid, parent, state in _processes():
        if state != "Z":
            children.setdefault(parent, []).append(pid)
    found, waiting = [], [of]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def end_children() -> None:
    """End every descendant of this process and wait for it: SIGTERM first, SIGKILL later."""
    deadline, number = time.monotonic() + GRACE_S, signal.SIGTERM
    told: set[tuple[int, int]] = set()
    while running := descendants(os.getpid()):
        if time.monotonic() > deadline:
            if number == signal.SIGKILL:
                return
            deadline, number = time.monotonic() + GRACE_S, signal.SIGKILL
        for pid in running:
            if (pid, number) not in told:
                told.add((pid, number))
                try:
                    os.kill(pid, number)
                except OSError:  # The process has already ended.
                    continue
        time.sleep(0.01)


def _processes() -> Iterator[tuple[int, int, str]]:
    """Process number, parent and state of every process."""
    if os.path.isdir("/proc/self"):
        for name in os.listdir("/proc"):
            if name.isdecimal():
                try:
                    with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                        state, parent = file.read().rpartition(")")[2].split()[:2]
                except OSError:
                    continue
                yield int(name), int(parent), state
        return
    import subprocess

    done = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,state="], capture_output=True, text=True, check=False
    )
    for line in done.stdout.splitlines():
        pid, parent, state = line.split()[:3]
        yield int(pid), int(parent), state[0]


def _on_signal(number: int, _frame: FrameType | None) -> None:
    """End the command: raise `Stopped` if it can unwind, else end the process at once."""
    if os.getpid() != _STATE.pid:  # A worker process; its parent prints the line.
        os._exit(128 + number)
    again, _STATE.stopped_by = _STATE.stopped_by, _STATE.stopped_by or number
    if again or not _STATE.unwinds:
        _leave()
    warnings.simplefilter("ignore")  # Amaranth warns of designs that were not completed.
    end_children()
    sys.addaudithook(_no_new_children)
    end_children()
    watchdog = threading.Timer(UNWIND_S, _leave)
    watchdog.daemon = True
    watchdog.start()
    raise Stopped


def _no_new_children(event: str, _arguments: object) -> None:
    """Prevent threads that are still running from starting more tools."""
    if event in ("subprocess.Popen", "os.fork", "os.posix_spawn") and os.getpid() == _STATE.pid:
        raise Stopped


def _leave() -> None:
    """End the process at once: print a line, end child processes, remove temporary files."""
    status, word = stopped()
    settle()
    say(f"{_STATE.program}: {word}")
    end_children()
    _tidy()
    os._exit(status)


def _at_exit() -> None:
    """Clean up, and flush stdout while an error can still be handled."""
    if os.getpid() == _STATE.pid:
        _tidy()
        status = flushed(_STATE.program, 0)
        if status:
            os._exit(status)


def _tidy() -> None:
    for path in list(_STATE.folders):
        _remove(path)


def _remove(path: str) -> None:
    import shutil

    if os.getpid() == _STATE.pid:
        shutil.rmtree(path, ignore_errors=True)
        _STATE.folders.discard(path)


def _mute(stream: TextIO | None) -> None:
    """Redirect ``stream`` to the null device, so that no later flush fails."""
    try:
        if stream is not None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
    except (OSError, ValueError):  # The stream is not a file, as in tests.
        return


install()

# SPDX-License-Identifier: Apache-2.0
"""How every command ends after Ctrl-C, SIGTERM, a closed pipe or a full disk.

`hw`, `sim`, `synth` and `reports` import this module before anything else, so that it is there
while the rest is imported. It does nothing in a process that is not one of our commands: a program
that imports the packages keeps its own signals. Standard library only; every floor may import it.

An interrupted command ends its children, removes its temporary files, prints one line and ends
with the status that a shell expects.
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
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import TextIO

#: Packages whose modules are commands, and the installed command.
ROOMS = ("bytemac", "hw", "sim", "synth", "reports")
SCRIPT = "bytemac"
#: Exit status of a command whose output was closed, as a shell has it after SIGPIPE.
CLOSED = 128 + 13
#: Errors of a machine that is full or broken; they are no fault of the options.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
#: Beginning of the names of folders in which files are written before they get their own name.
WRITING = ".writing-"
#: Seconds that children get to end, and the command to unwind.
GRACE_S, UNWIND_S = 1.0, 5.0
WORDS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "terminated (hangup)"}


class Stopped(KeyboardInterrupt):
    """A signal that ends the command. It unwinds as Ctrl-C does."""


class _State:
    """What this process has to clean up, and how far it is."""

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
    """The command that this process runs, "" in any other program."""
    first, words = (sys.argv or [""])[0], sys.orig_argv
    if first == "-m":  # What Python puts there while it looks for the module.
        place = next(index for index, word in enumerate(words) if word.startswith("-m"))
        module = words[place][2:] or words[place + 1]
        return f"python -m {module}" if module.partition(".")[0] in ROOMS else ""
    name = os.path.basename(first).removesuffix(".exe")
    return SCRIPT if name == SCRIPT else ""


def install() -> None:
    """Set up signals and streams, if this process is a command."""
    _STATE.program = command_name()
    if not _STATE.program:
        return
    for name in WORDS:
        number = getattr(signal, name, None)
        # What was ignored from the start, as under nohup, stays ignored.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _on_signal)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # A name that is not UTF-8 is printed all the same.
            stream.reconfigure(errors="backslashreplace")
    atexit.register(_at_exit)


def is_command() -> bool:
    """Whether this process is one of our commands, and not a program that imports us."""
    return bool(_STATE.program)


def quiet(wanted: bool) -> None:
    """Report no progress, as ``--quiet`` asks, or report it."""
    _STATE.is_quiet = wanted


def is_quiet() -> bool:
    """Whether no progress is wanted."""
    return _STATE.is_quiet


@contextmanager
def unwinding() -> Iterator[None]:
    """While this is open, a signal raises `Stopped`; before and after, it ends the process."""
    _STATE.unwinds += 1
    try:
        yield
    finally:
        _STATE.unwinds -= 1


@contextmanager
def folder_in(parent: str | os.PathLike[str], prefix: str = WRITING) -> Iterator[str]:
    """Make a folder in ``parent`` that is removed at the end, also at that of the process."""
    path = os.path.join(parent, f"{prefix}{os.urandom(6).hex()}")
    _STATE.folders.add(path)  # Before it is there: a signal may come at any time.
    try:
        os.mkdir(path, 0o700)
        yield path
    finally:
        _remove(path)


@contextmanager
def temporary_files() -> Iterator[None]:
    """Put the temporary files of this command and of its children into one folder of its own.

    A tool that is ended leaves its files there, and they go with it. OSError if there is no place
    for the folder.
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
    """Exit status and word for the signal that ended this command; those of Ctrl-C if none did."""
    number = signal.Signals(_STATE.stopped_by or signal.SIGINT)
    return 128 + number, WORDS[number.name]


def at_end(callback: Callable[[], None]) -> None:
    """Call ``callback`` once, before the command's last line, however it ends."""
    if callback not in _STATE.endings:
        _STATE.endings.append(callback)


def settle() -> None:
    """Call what `at_end` was given."""
    while _STATE.endings:
        _STATE.endings.pop()()


def was_stopped() -> bool:
    """Whether a signal is ending this command."""
    return bool(_STATE.stopped_by)


def say(text: str) -> None:
    """Print a line on stderr, if there is still someone to read it."""
    try:
        print(text, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        _mute(sys.stderr)


def flushed(program: str, status: int) -> int:
    """``status``, once all of stdout is written; else the status that says why it is not."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except OSError as error:
        return unwritten(program, error)


def unwritten(program: str, error: OSError) -> int:
    """Status of a command whose output nobody takes; a line says why, but for a closed pipe."""
    _mute(sys.stdout)
    if isinstance(error, BrokenPipeError):
        _mute(sys.stderr)
        return CLOSED
    say(f"{program}: error: Output could not be written ({(error.strerror or str(error)).lower()})")
    return 1


def descendants(of: int) -> list[int]:
    """Processes below the process ``of`` that still run."""
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
    """End every process below this one, and wait until it has ended."""
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
                except OSError:  # It has ended by itself.
                    continue
        time.sleep(0.01)


def _processes() -> Iterator[tuple[int, int, str]]:
    """Number, parent and state of every process."""
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
    """End the command: raise `Stopped` where it can unwind, else end the process at once."""
    if os.getpid() != _STATE.pid:  # A worker; its parent speaks for it.
        os._exit(128 + number)
    again, _STATE.stopped_by = _STATE.stopped_by, _STATE.stopped_by or number
    if again or not _STATE.unwinds:
        _leave()
    warnings.simplefilter("ignore")  # Amaranth's, of a design that is left half built.
    end_children()
    sys.addaudithook(_no_new_children)
    end_children()
    watchdog = threading.Timer(UNWIND_S, _leave)
    watchdog.daemon = True
    watchdog.start()
    raise Stopped


def _no_new_children(event: str, _arguments: object) -> None:
    """Keep threads that are still at work from starting more tools."""
    if event in ("subprocess.Popen", "os.fork", "os.posix_spawn") and os.getpid() == _STATE.pid:
        raise Stopped


def _leave() -> None:
    """End the process at once: a line, no children, no temporary files."""
    status, word = stopped()
    settle()
    say(f"{_STATE.program}: {word}")
    end_children()
    _tidy()
    os._exit(status)


def _at_exit() -> None:
    """Flush stdout where an error can still be handled, and clean up."""
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
    """Send what is left of ``stream`` nowhere, so that no later flush fails."""
    try:
        if stream is not None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
    except (OSError, ValueError):  # A stream that is no file, as in tests.
        return


install()

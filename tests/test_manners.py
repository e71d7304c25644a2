# SPDX-License-Identifier: Apache-2.0
"""Commands that are interrupted or cannot write: one line, the right status, nothing left behind.

Each runs as a process of its own, whose temporary files, caches and outputs are in folders that are
checked afterwards. No process may be left that has such a folder in its environment.
"""

import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from hw import manners
from tests.support.network_models import node, save

ROOT = Path(__file__).resolve().parents[1]
SMALL = str(ROOT / "tests" / "data" / "small.lib")
PATIENCE_S = 60
PRODUCT = "--mac e5m2 --acc fp16-rtz --array 4x4 --size 4000x600x600 --backend vector"
#: A slow command whose result is in no cache.
LARGE = "--mac bf16 --acc fp32 --array 2x2"


class Run:
    """A running command, and its own folders."""

    def __init__(self, folder: Path, command: str, **settings: object) -> None:
        self.folders = {name: folder / name for name in ("temporary", "home", "out")}
        for place in self.folders.values():
            place.mkdir()
        own = {"TMPDIR": str(self.folders["temporary"]), "BYTEMAC_HOME": str(self.folders["home"])}
        self.command = f"python -m {command.split()[0]}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command.replace("OUT", str(self.folders["out"])).split()],
            cwd=ROOT,
            env=os.environ | own,
            text=True,
            **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | settings),
        )

    def catches_signals(self) -> bool:
        """Whether the first import is done."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        caught = int(re.search(r"SigCgt:\s*(\w+)", text)[1], 16)
        return bool(caught >> (signal.SIGTERM - 1) & 1)

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Wait until ``condition`` holds while the command runs."""
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < end
            time.sleep(0.005)

    def left_processes(self) -> list[str]:
        """Processes that have our folder in their environment."""
        mark, found = str(self.folders["temporary"]).encode(), []
        for environment in Path("/proc").glob("[0-9]*/environ"):
            try:
                if mark in environment.read_bytes():
                    found.append(environment.with_name("cmdline").read_bytes().decode())
            except OSError:
                continue
        return found

    def ends(self, status: int) -> str:
        """Text of stderr; the command must end with ``status`` and leave nothing behind."""
        printed = self.process.communicate(timeout=PATIENCE_S)[1]
        assert self.process.returncode == status
        assert list(self.folders["temporary"].iterdir()) == []
        assert list(self.folders["out"].rglob("*")) == []
        assert list(self.folders["home"].rglob(".*")) == []
        assert self.left_processes() == []
        return str(printed)


@contextmanager
def started(folder: Path, command: str, **settings: object) -> Iterator[Run]:
    """A command that can be interrupted; it is always killed at the end."""
    run = Run(
        folder,
        command,
        # The parent of the tests may ignore Ctrl-C, and the command would inherit that.
        preexec_fn=lambda: [
            signal.signal(number, signal.SIG_DFL)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        ],
        **settings,
    )
    try:
        yield run
    finally:
        run.process.kill()
        run.process.communicate()


WORDS = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "terminated",
    signal.SIGHUP: "terminated (hangup)",
}

#: Command, seconds after its first import, and the signal.
IMPORTS = [
    ("hw.spec --list", 0.0, signal.SIGINT),
    ("hw.generate --mac int8 --out OUT", 0.0, signal.SIGTERM),
    ("hw.flash --list-boards", 0.0, signal.SIGINT),
    ("hw.virtual_board --mac int8 --array 2x2", 0.05, signal.SIGTERM),
    ("hw.selftest --port /dev/none", 0.0, signal.SIGINT),
    ("hw.doctor", 0.0, signal.SIGTERM),
    ("sim.run --mac int8 --array 4x4 --size 9x9x9 --out OUT/c.npy", 0.1, signal.SIGINT),
    ("sim.view --mac int8 --array 4x4 --size 9x9x9 --out OUT/v.html", 0.05, signal.SIGHUP),
    ("sim.network --list", 0.1, signal.SIGINT),
    ("synth.run --mac int8 --out OUT/r.json", 0.05, signal.SIGTERM),
    ("synth.sweep none.toml", 0.1, signal.SIGINT),
    ("synth.fpga --list", 0.0, signal.SIGINT),
    ("reports.study --list", 0.05, signal.SIGTERM),
    ("reports.advise mlp", 0.1, signal.SIGINT),
]

#: Command, what must exist before the signal (a child, a file being written), and the signal.
WORK = [
    (f"hw.generate {LARGE} --lanes 2 --out OUT", "a second", signal.SIGINT),
    (f"synth.run {LARGE} --liberty {SMALL} --quiet --out OUT/r.json", "child", signal.SIGTERM),
    (f"synth.run {LARGE} --liberty {SMALL} --quiet --json", "child", signal.SIGINT),
    (f"sim.run {PRODUCT} --quiet --out OUT/c.npy", "file", signal.SIGINT),
    (f"sim.run {PRODUCT} --quiet --out OUT/c.npy", "file", signal.SIGTERM),
    (f"sim.run {LARGE} --size 4x4x4 --backend rtl --quiet", "child", signal.SIGTERM),
    (f"hw.virtual_board {LARGE} --quiet", "child", signal.SIGINT),
    ("synth.sweep SWEEP --jobs 2 --out OUT/r.json", "child", signal.SIGTERM),
]


@pytest.mark.parametrize(("command", "delay", "number"), IMPORTS)
def test_stopped_while_it_imports(tmp_path, command, delay, number) -> None:
    with started(tmp_path, command) as run:
        run.wait_until(run.catches_signals)
        time.sleep(delay)
        run.process.send_signal(number)
        assert run.ends(128 + number) == f"{run.command}: {WORDS[number]}\n"


@pytest.mark.parametrize(("command", "state", "number"), WORK)
def test_stopped_while_it_runs(tmp_path, command, state, number) -> None:
    points = tmp_path / "points.toml"
    points.write_text(
        '[[grid]]\nmac = ["bf16", "fp16"]\nacc = ["fp32"]\narray = ["2x2"]\n'
        f'library = [["{SMALL}"]]\nmetrics = ["cells"]\n'
    )
    with started(tmp_path, command.replace("SWEEP", str(points))) as run:
        pid, out = run.process.pid, run.folders["out"]
        ready = {
            "child": lambda: manners.descendants(pid),
            "file": lambda: list(out.glob(f"{manners.WRITING}*/*")),
            "a second": run.catches_signals,
        }[state]
        run.wait_until(ready)
        time.sleep({"child": 0.5, "file": 0.1, "a second": 1.0}[state])
        run.process.send_signal(number)
        assert run.ends(128 + number) == f"{run.command}: {WORDS[number]}\n"


def test_stops_twice(tmp_path) -> None:
    """A second Ctrl-C while the first is being handled does no harm."""
    with started(tmp_path, f"sim.run {PRODUCT} --quiet --out OUT/c.npy") as run:
        run.wait_until(lambda: list(run.folders["out"].glob(f"{manners.WRITING}*/*")))
        run.process.send_signal(signal.SIGINT)
        time.sleep(0.001)
        run.process.send_signal(signal.SIGINT)
        assert run.ends(130) == "python -m sim.run: interrupted\n"


PRINTING = [
    "hw.spec --list",
    "hw.spec --help",
    "hw.generate --list --json",
    "hw.flash --list-boards",
    "hw.doctor",
    "sim.run --mac int8 --array 4x4 --size 4x4x4 --backend vector --quiet",
    "sim.network --list",
    "synth.flow.cost --mac int8",
    "synth.fpga --list",
    "reports.study --list",
]
BUFFERS = ["", "1"]


@pytest.mark.parametrize("command", PRINTING)
@pytest.mark.parametrize("unbuffered", BUFFERS)
def test_closed_pipe_ends_quietly(tmp_path, monkeypatch, command, unbuffered) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    reader, writer = os.pipe()
    os.close(reader)
    with started(tmp_path, command, stdout=writer) as run:
        os.close(writer)
        assert run.ends(141) == ""


@pytest.mark.parametrize("command", PRINTING)
@pytest.mark.parametrize("unbuffered", BUFFERS)
def test_full_device_is_one_line(tmp_path, monkeypatch, command, unbuffered) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with open("/dev/full", "w") as full, started(tmp_path, command, stdout=full) as run:
        printed = run.ends(1)
        reason = r"Output( or a temporary file)? could not be written \(no space left on device\)"
        assert re.fullmatch(rf"{run.command}: error: {reason}\n", printed)


def test_head_takes_one_line() -> None:
    done = subprocess.run(
        f"set -o pipefail; {sys.executable} -m hw.spec --list | head -1",
        shell=True,
        executable="bash",
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("format ")
    assert (done.returncode in (0, 141), done.stderr) == (True, "")


def limit_files() -> None:
    """No file may grow beyond some bytes, as on a disk that is full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (256, 256))


@pytest.mark.parametrize(
    "command",
    [
        "hw.generate --mac int8 --out OUT",
        "hw.generate --mac int8 --out OUT/new/folder",
        "sim.run --mac int8 --array 4x4 --size 4x4x4 --quiet --trace OUT/new/c.vcd",
        "sim.network MODEL --quiet --out OUT/c.npz",
        "sim.network MODEL --quiet --save-quantizers OUT/c.json",
        "synth.run --mac int4 --metrics paper_cost --out OUT/c.json",
        "sim.run --mac int8 --array 4x4 --size 40x4x40 --backend vector --quiet --out OUT/c.npy",
        "sim.run --mac int8 --array 4x4 --size 40x4x40 --quiet --trace OUT/c.vcd",
        "sim.run --mac int8 --array 4x4 --size 4x4x4 --quiet --view OUT/c.html",
        "sim.view --mac int8 --array 4x4 --size 4x4x4 --out OUT/c.html",
    ],
)
def test_full_disk_is_one_line(tmp_path, command) -> None:
    w = np.ones((4, 300), np.float32)
    model = save(tmp_path / "m.onnx", [node("MatMul", "x w", "y")], {"x": [2, 4]}, ["y"], {"w": w})
    np.save(tmp_path / "x.npy", w[:, :2].T)
    network = f"{model} --data {tmp_path / 'x.npy'} --mac int8 --array 4x4 --weights per=channel"
    command = command.replace("MODEL", network)
    run = Run(tmp_path, command, preexec_fn=limit_files)
    printed = run.process.communicate(timeout=PATIENCE_S)[1]
    assert re.fullmatch(
        rf"{run.command}: error: (File \S*/out\S*|Output or a temporary file) could not be written "
        r"\((file too large|no space left on device)\)\n",
        printed,
    )
    assert run.process.returncode == 1
    assert list(run.folders["out"].rglob("*")) == []


def test_missing_temporary_folder_is_one_line(tmp_path) -> None:
    command = [sys.executable, "-m", "hw.generate", "--mac", "int8", "--out", str(tmp_path / "out")]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"TMPDIR": "/none"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "python -m hw.generate: error: TMPDIR must be a folder that can be written "
        "(no such file or directory: /none)\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_imports_the_packages_keeps_its_signal_handlers() -> None:
    program = (
        "import signal, sys, hw, sim, synth, reports; "
        "print(signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT).__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert done.stdout.split() == ["0", "default_int_handler"] or "SIG_DFL" in done.stdout

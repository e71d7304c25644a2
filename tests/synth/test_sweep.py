# SPDX-License-Identifier: Apache-2.0
"""Sweeps: grids as points, failed points as rows, the cache, processes and a cluster."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from hw import manners
from hw.spec import SpecError
from synth import points, sweep, workers
from synth.flow import cache, osu018
from synth.points import Point, read_points
from synth.record import read_records

ROOT = Path(__file__).parents[2]
SMALL = Path(__file__).parents[1] / "data" / "small.lib"
GRID = f"""
[[grid]]
mac = ["int4"]
acc = ["int12", "int6"]
recipe = ["keep", "fast"]
library = ["{SMALL}"]
metrics = ["cells"]
"""

pytestmark = pytest.mark.synth


@pytest.fixture
def grid(tmp_path, monkeypatch):
    """A file of four points, of which two fail; the cache is the test's own."""
    monkeypatch.setattr(cache, "FOLDER", tmp_path / "cache")
    file = tmp_path / "points.toml"
    file.write_text(GRID)
    return file


def test_grid_is_the_product_of_its_lists(tmp_path, monkeypatch):
    monkeypatch.setenv("CELLS", str(tmp_path / "sub"))
    file = tmp_path / "points.toml"
    file.write_text("""
[[grid]]
mac = ["int8", "e4m3"]
lanes = [1, 4]
acc = ["exact"]
array = ["2x2"]
flat = [true]
clock = [2, 3.5]
library = ["osu018", ["a.lib", "$CELLS/b.lib"]]
[[grid]]
mac = ["e5m2"]
metrics = ["cells", "clock"]
[[grid]]
mac = ["int8,adder=carry-save"]
resolve = [false]
always_valid = [true]
[[grid]]
mac = ["int8"]
array = ["2x2"]
dataflow = ["ws"]
depth = [4]
""")
    points = read_points(file)
    assert len(points) == len(set(points)) == 2 * 2 * 2 * 2 + 3
    assert str(points[-1].unit()) == "int8,acc=fx28,array=2x2,dataflow=ws,depth=4"
    files = (str(tmp_path / "a.lib"), str(tmp_path / "sub" / "b.lib"))
    assert points[0] == Point(mac="int8,lanes=1,acc=exact", array="2x2", flat=True, clock=2)
    assert points[15] == Point(
        mac="e4m3,lanes=4,acc=exact", array="2x2", flat=True, clock=3.5, library=files
    )
    assert points[16] == Point(mac="e5m2", metrics=("cells", "clock"))
    assert points[17] == Point(mac="int8,adder=carry-save", resolve=False, always_valid=True)
    assert str(points[17]) == "int8,adder=carry-save unresolved always valid keep osu018"
    assert str(points[15]) == "e4m3,lanes=4,acc=exact 2x2 flat keep 3.5 ns a.lib"


DIGITS = "9" * 5000
SHORTENED = f"'{'9' * 49}...{'9' * 49}' (5002 characters)"
CANNOT = "Points file {file!r} cannot be read as TOML"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[grid", CANNOT + ", line 1: expected ']]' at the end of an array declaration"),
        ("\n\nmac = [1\n[[grid]]", CANNOT + ", line 4: unclosed array"),
        ("[[grid]]\nmac = ", CANNOT + ", line 2: invalid value"),
        (b"[[grid]]\nmac = ['\xe9']", CANNOT + ", line 2: it is not UTF-8"),
        ("a = " + "[" * 100_000, CANNOT + ": it is nested too deeply"),
        (
            f"[[grid]]\nmac = ['int8']\nlanes = [{DIGITS}]",
            CANNOT + ", line 3: a number has more than 4300 digits",
        ),
        ("mac = 3", "Points must be tables [[grid]], not ['mac']"),
        ("[grid]\nmac = ['int8']", "Points must be tables [[grid]], not ['grid']"),
        ("[[grid]]\nrecipe = ['keep']", "Grid must be a table with a list mac, not ['recipe']"),
        ("[[grid]]\nmac = 'int8'", "Grid mac must be a list of str, not 'int8'"),
        ("[[grid]]\nmac = []", "Grid mac must be a list of str, not []"),
        (
            "[[grid]]\nmac = ['int8']\nlanes = [true]",
            "Grid lanes must be a list of str or int, not [True]",
        ),
        (
            f"[[grid]]\nmac = ['int8']\nlanes = ['{DIGITS}']",
            f"Grid lanes must be texts of at most 200 characters, not {SHORTENED}",
        ),
        (
            "[[grid]]\nmac = ['int8']\nlibrary = [[1]]",
            "Grid library must be a path or a list of paths, not [1]",
        ),
        (
            "[[grid]]\nmac = ['int8', 'int8']",
            "Points must be different, not 'int8 keep osu018 twice'",
        ),
        (
            "[[grid]]\nmac = ['int8']\nacc = ['fx28', 'exact']",
            "Points must be different, not 'int8,acc=exact keep osu018 twice'",
        ),
        (
            "[[grid]]\nmac = ['int8']\nclock = [2, 2.0]",
            "Points must be different, not 'int8 keep 2 ns osu018 twice'",
        ),
        (
            "[[grid]]\n" + "".join(f"{name} = {[*map(str, range(200))]}\n" for name in "abc")
            + "mac = ['int8']",
            "Points must be at most 1,000,000, not 8000000",
        ),
        *(
            (
                f"[[grid]]\nmac = ['int8']\nclock = [4.0, {clock}]",
                f"Grid clock must be numbers of ns above 0, not {shown}",
            )
            for clock, shown in (
                ("inf", "inf"),
                ("nan", "nan"),
                ("-1", "-1"),
                ("0.0", "0.0"),
                ("1e9999", "inf"),
            )
        ),
    ],
)  # fmt: skip
def test_grid_wrong(text, message, tmp_path, capsys):
    """All that is wrong with the points is said before the first is measured."""
    file = tmp_path / "points.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SystemExit) as ended:
        sweep.main([str(file), "--out", str(tmp_path / "out.json")])
    assert ended.value.code == 2
    error = f"python -m synth.sweep: error: {message.format(file=str(file))}\n"
    assert capsys.readouterr() == ("", error)
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("/dev/zero", "Points file '/dev/zero' cannot be read as TOML: not a regular file"),
        (
            "FILE --jobs 2 --scheduler tcp://host:1",
            "--jobs and --scheduler cannot be combined: give only one of them",
        ),
        ("FILE --jobs 0", "Jobs must be at least 1, not 0"),
    ],
)
def test_options_wrong(grid, arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        sweep.main([word.replace("FILE", str(grid)) for word in arguments.split()])
    assert ended.value.code == 2
    assert capsys.readouterr() == ("", f"python -m synth.sweep: error: {message}\n")


def test_sweep_keeps_failed_points_and_goes_on_from_the_cache(grid, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out.json"
    assert sweep.main([str(grid), "--out", str(out), "--jobs", "2"]) == 1
    printed = capsys.readouterr()
    assert printed.out == f"{out}\n"
    lines = printed.err.splitlines()
    assert [line[:6] for line in lines if " small.lib" in line] == [
        f"[{number}/4] " for number in range(1, 5)
    ]
    assert lines[-1] == "2 of 4 points failed; their records give the reasons."
    records = read_records(out)
    assert [sweep.has_failed(record) for record in records] == [False, False, True, True]
    assert records[2].metrics["failed"].value.startswith("Accumulator width must be at least ")
    assert [record.conditions["recipe"] for record in records[:2]] == ["keep", "fast"]
    assert "area" in records[0].metrics
    assert "two_input_gates_keep" not in records[0].metrics
    assert "gate_counts (not asked for)" in records[0].not_done
    # Only the points that failed are tried again.
    tried = []

    def measured(calls, jobs):
        for index, call in enumerate(calls):
            tried.append(call[0].mac)
            yield index, points.measure_point(*call)

    monkeypatch.setattr(sweep, "in_processes", measured)
    assert sweep.main([str(grid), "--out", str(out), "--json"]) == 1
    assert tried == ["int4,acc=int6"] * 2
    assert read_records(out)[:2] == records[:2]
    printed = capsys.readouterr()
    assert printed.err.count("(cached)") == 2
    assert json.loads(printed.out) == json.loads(out.read_text())


def test_sweep_without_failed_points_gives_status_0(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cache, "FOLDER", tmp_path / "cache")
    file, out = tmp_path / "points.toml", tmp_path / "out.json"
    file.write_text(GRID.replace('"int12", "int6"', '"int12"'))
    assert sweep.main([str(file), "--out", str(out), "--quiet"]) == 0
    assert capsys.readouterr() == (f"{out}\n", "")
    assert [sweep.has_failed(record) for record in read_records(out)] == [False, False]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"mac": "e9m9"}, "e9m9"),
        ({"recipe": "best"}, "Recipe must be one of "),
        ({"metrics": ("price",)}, "Metric must be one of gate_counts, "),
        ({"library": ("none.lib",)}, "Liberty file must be a readable file, not 'none.lib'"),
        ({"array": "0x2"}, "Array rows must be "),
        ({"resolve": False}, "Unresolved unit must be a MAC with the adder carry-save, not "),
        ({"always_valid": True, "array": "2x2"}, "Always-valid unit must be a MAC, not "),
    ],
)
def test_point_that_fails_says_why(change, reason):
    point = Point(**{"mac": "int4", "library": (str(SMALL),)} | change)
    record = points.measure_point(point, "test")
    assert reason in record["metrics"]["failed"]["value"]


def test_point_without_the_default_library_fails(monkeypatch):
    monkeypatch.setattr(osu018, "find", lambda: None)
    points._library.cache_clear()
    record = points.measure_point(Point(mac="int4"), "test")
    assert record["metrics"]["failed"]["value"] == (
        "The OSU018 cell library is missing: run `make library`"
    )


def test_point_whose_measurement_is_a_fault_of_ours_fails(monkeypatch):
    def broken(*_arguments, **_options):
        raise KeyError("width")

    monkeypatch.setattr(points, "measure", broken)
    record = points.measure_point(Point(mac="int4", library=(str(SMALL),)), "test")
    assert record["metrics"]["failed"]["value"] == "KeyError: 'width'"


def calls(*macs):
    """Points that are only told apart, with the command."""
    return [(Point(mac=mac), "test") for mac in macs]


@pytest.mark.parametrize(("jobs", "most"), [(None, 3), (1, 1), (2, 2), (100_000, 3)])
def test_no_more_processes_than_points(monkeypatch, jobs, most):
    running = []

    class Counted(workers.Process):
        def start(self):
            super().start()
            running.append(sum(other.is_alive() for other in started))

        def __init__(self, **settings):
            super().__init__(**settings)
            started.append(self)

        def is_alive(self):
            return self.pid is not None and super().is_alive()

    def slow(point, command):
        time.sleep(0.2)
        return {"mac": point.mac, "command": command}

    started = []
    monkeypatch.setattr(workers, "Process", Counted)
    monkeypatch.setattr(workers, "measure_point", slow)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    results = dict(workers.in_processes(calls("a", "b", "c"), jobs))
    assert results == {place: {"mac": mac, "command": "test"} for place, mac in enumerate("abc")}
    assert len(started) == 3
    assert max(running) == most
    assert list(workers.in_processes([], jobs)) == []


def test_process_that_dies_costs_no_other_point(monkeypatch, tmp_path):
    """A point is tried again when its process dies, and fails when it does a second time."""

    def dying(point, command):
        first = point.mac == "once" and not (tmp_path / "tried").exists()
        if first:
            (tmp_path / "tried").touch()
        if first or point.mac == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if point.mac == "exit":
            os._exit(3)
        return {"mac": point.mac}

    monkeypatch.setattr(workers, "measure_point", dying)
    results = dict(workers.in_processes(calls("kill", "a", "once", "exit", "b"), 2))
    failed = [results[place]["metrics"]["failed"]["value"] for place in (0, 3)]
    assert failed == [
        "Its process was ended by SIGKILL 2 times",
        "Its process ended with status 3 2 times",
    ]
    assert [results[place] for place in (1, 2, 4)] == [{"mac": mac} for mac in ("a", "once", "b")]


#: Two points that take some seconds.
SLOW = f"""
[[grid]]
mac = ["bf16", "fp16"]
acc = ["fp32"]
array = ["2x2"]
library = ["{SMALL}"]
metrics = ["cells"]
"""
PATIENCE_S = 120


def wait_until(ready, what="what is waited for"):
    """Wait for something; returns it."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := ready()):
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.02)
    return found


def environment(home):
    """Environment of commands with a cache of their own, wherever they run."""
    return os.environ | {"BYTEMAC_HOME": str(home), "PYTHONPATH": str(ROOT)}


@contextmanager
def started(home, *words):
    """A Python command in a process of its own, which ends with the test."""
    process = subprocess.Popen(
        [sys.executable, "-m", *map(str, words)],
        cwd=home.parent,
        env=environment(home),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        below = manners.descendants(process.pid)
        process.kill()
        for pid in below:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.communicate()


def is_running(pid):
    """Whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


#: A sweep of two points whose tool takes ten minutes.
HOLD = """
import subprocess
from synth import workers
from synth.points import Point
workers.measure_point = lambda *call: subprocess.run(["sleep", "600"])
list(workers.in_processes([(Point(mac=mac), "test") for mac in "ab"], None))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_processes_end_with_the_command(tmp_path, number):
    """Also with one that is killed, which cannot end them."""
    (tmp_path / "hold.py").write_text(HOLD)
    with started(tmp_path / "home", "hold") as command:

        def all_started():
            below = manners.descendants(command.pid)
            return below if len(below) == 4 else []  # Two processes, and the tool of each.

        below = wait_until(all_started, "the tools of both points")
        command.send_signal(number)
        try:
            wait_until(lambda: not any(map(is_running, below)), "the end of the processes")
        finally:
            for pid in filter(is_running, below):
                os.kill(pid, signal.SIGKILL)


@contextmanager
def cluster(folder, number):
    """Address of a Dask scheduler, its workers that can be started, and its process."""
    pytest.importorskip("distributed", reason="Dask is not installed")
    file, here = folder / "scheduler.json", ("--no-dashboard", "--host", "127.0.0.1")
    single = ("--no-nanny", "--nthreads", 1, "--local-directory", folder / "dask")
    words = ("dask", "scheduler", "--port", 0, *here, "--scheduler-file", file)
    with started(folder / "dask", *words) as scheduler:
        text = wait_until(lambda: file.is_file() and file.read_text(), "the scheduler")
        address = json.loads(text)["address"]
        below = [
            started(folder / f"worker{place}", "dask", "worker", address, *here, *single)
            for place in range(number)
        ]
        yield address, below, scheduler


def records_of(file):
    """Records of a file, without what differs from one run to the next."""
    records = json.loads(file.read_text())["records"]
    for record in records:
        assert record["provenance"].pop("date")
    return records


def test_sweep_on_a_cluster_equals_that_on_this_machine(tmp_path):
    """As commands, from the command line."""
    file = tmp_path / "points.toml"
    file.write_text(GRID)
    printed = {}
    with cluster(tmp_path, 2) as (address, (one, other), _), one, other:
        for name, where in (("here", ()), ("there", ("--scheduler", address))):
            out = tmp_path / f"{name}.json"
            with started(tmp_path / name, "synth.sweep", file, *where, "--out", out) as command:
                printed[name] = command.communicate(timeout=PATIENCE_S)
                assert command.returncode == 1, printed
    assert records_of(tmp_path / "here.json") == records_of(tmp_path / "there.json")
    for name, (out, err) in printed.items():
        assert out == f"{tmp_path / name}.json\n"
        assert len(re.findall(r"^\[\d/4\] int4.*$", err, re.MULTILINE)) == 4
        assert err.endswith("\n2 of 4 points failed; their records give the reasons.\n")
    assert [sweep.has_failed(record) for record in read_records(tmp_path / "there.json")] == [
        False,
        False,
        True,
        True,
    ]


def test_sweep_survives_a_worker_that_is_killed(tmp_path):
    """The other worker measures its point."""
    file, out = tmp_path / "points.toml", tmp_path / "out.json"
    file.write_text(SLOW)
    with cluster(tmp_path, 2) as (address, (one, other), _), one as killed, other:
        words = ("synth.sweep", file, "--scheduler", address, "--out", out)
        with started(tmp_path / "home", *words) as command:
            wait_until(lambda: manners.descendants(killed.pid), "the tool of the worker")
            below = manners.descendants(killed.pid)
            killed.kill()
            out_and_err = command.communicate(timeout=PATIENCE_S)
            assert (command.returncode, out_and_err[0]) == (0, f"{out}\n"), out_and_err
        for pid in filter(is_running, below):
            os.kill(pid, signal.SIGKILL)
    records = read_records(out)
    assert [record.subject for record in records] == [
        str(point.unit().name) for point in read_points(file)
    ]
    assert not any(map(sweep.has_failed, records))


def test_sweep_ends_when_the_scheduler_is_lost(tmp_path):
    file, out = tmp_path / "points.toml", tmp_path / "out.json"
    file.write_text(GRID)
    with cluster(tmp_path, 0) as (address, _, scheduler):
        words = ("synth.sweep", file, "--scheduler", address, "--out", out)
        with started(tmp_path / "home", *words) as command:
            waiting = f"{address} has no worker yet: waiting for the first\n"
            assert command.stderr.readline() == waiting
            scheduler.kill()
            printed = command.communicate(timeout=PATIENCE_S)
            assert (command.returncode, printed[0]) == (1, f"{out}\n"), printed
    lost = {record.metrics["failed"].value for record in read_records(out)}
    assert lost == {"The connection to the scheduler was lost"}


def test_worker_with_other_code_is_told(monkeypatch):
    point = Point(mac="int4", library=(str(SMALL),))
    record = workers.measure_there(point, "test", "other")
    assert record["metrics"]["failed"]["value"] == (
        "A worker has another version of this code: install the same"
    )
    monkeypatch.setattr(workers, "measure_point", lambda *call: call)
    assert workers.measure_there(point, "test", workers.code_digest(workers.measure_point))


def test_scheduler_that_does_not_answer(grid, monkeypatch):
    message = "No Dask scheduler answers at {!r}"
    monkeypatch.setattr(workers, "ANSWER_S", 1)
    tried = 0
    for address in ("tcp://127.0.0.1:9", "nonsense://x"):
        with pytest.raises(SpecError, match=f"^{re.escape(message.format(address))}$"):
            sweep.sweep(read_points(grid), "test", scheduler=address)
        tried += 1
    assert tried == 2


def test_cluster_without_dask(grid, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    message = "--scheduler needs Dask, which is not installed: run `pip install '.[cluster]'`"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        sweep.sweep(read_points(grid), "test", scheduler="tcp://host:1")

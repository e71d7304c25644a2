# SPDX-License-Identifier: Apache-2.0
"""Sweeps: grids as points, failed points as rows, the cache, processes and a cluster."""

import re
import sys
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace

import pytest

from hw.spec import SpecError
from synth import sweep
from synth.flow import cache, osu018
from synth.record import read_records
from synth.sweep import Point, read_points

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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[grid", "Points file {file!r} cannot be read as TOML"),
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
            "[[grid]]\nmac = ['int8']\nlibrary = [[1]]",
            "Grid library must be a path or a list of paths, not [1]",
        ),
    ],
)
def test_grid_wrong(text, message, tmp_path, capsys):
    file = tmp_path / "points.toml"
    file.write_text(text)
    with pytest.raises(SystemExit) as ended:
        sweep.main([str(file), "--out", str(tmp_path / "out.json")])
    assert ended.value.code == 2
    error = f"python -m synth.sweep: error: {message.format(file=str(file))}\n"
    assert capsys.readouterr() == ("", error)
    assert not (tmp_path / "out.json").exists()


def test_sweep_keeps_failed_points_and_uses_the_cache(grid, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out.json"
    assert sweep.main([str(grid), "--out", str(out), "--jobs", "2"]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{out}\n"
    lines = printed.err.splitlines()
    assert [line[:6] for line in lines if " small.lib" in line] == [
        f"[{number}/4] " for number in range(1, 5)
    ]
    assert lines[-1] == "2 of 4 points failed; their records give the reasons."
    records = read_records(out)
    assert [("failed" in record.metrics) for record in records] == [False, False, True, True]
    assert records[2].metrics["failed"].value.startswith("Accumulator width must be at least ")
    assert [record.conditions["recipe"] for record in records[:2]] == ["keep", "fast"]
    assert "area" in records[0].metrics
    assert "two_input_gates_keep" not in records[0].metrics
    assert "gate_counts (not asked for)" in records[0].not_done
    # Only the points that failed are tried again.
    tried = []
    monkeypatch.setattr(
        sweep,
        "_here",
        lambda calls, jobs: iter(
            [
                (index, (tried.append(call[0].mac), sweep.measure_point(*call))[1])
                for index, call in enumerate(calls)
            ]
        ),
    )
    assert sweep.main([str(grid), "--out", str(out)]) == 0
    assert tried == ["int4,acc=int6"] * 2
    assert read_records(out)[:2] == records[:2]
    assert capsys.readouterr().err.count("(cached)") == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"mac": "e9m9"}, "e9m9"),
        ({"recipe": "best"}, "Recipe must be one of "),
        ({"metrics": ("price",)}, "Metric must be one of gate_counts, "),
        ({"clock": -1.0}, "Clock must be a number of ns above 0, not -1.0"),
        ({"library": ("none.lib",)}, "Liberty file must be a readable file, not 'none.lib'"),
        ({"array": "0x2"}, "Array rows must be "),
        ({"resolve": False}, "Unresolved unit must be a MAC with the adder carry-save, not "),
        ({"always_valid": True, "array": "2x2"}, "Always-valid unit must be a MAC, not "),
    ],
)
def test_point_that_fails_has_the_reason(change, reason):
    point = Point(**{"mac": "int4", "library": (str(SMALL),)} | change)
    record = sweep.measure_point(point, "test")
    assert reason in record["metrics"]["failed"]["value"]


def test_point_without_the_default_library_fails(monkeypatch):
    monkeypatch.setattr(osu018, "find", lambda: None)
    sweep._library.cache_clear()
    record = sweep.measure_point(Point(mac="int4"), "test")
    assert record["metrics"]["failed"]["value"] == (
        "The OSU018 cell library is missing: run `make library`"
    )


def test_process_that_dies_is_a_failed_point():
    future = Future()
    future.set_exception(RuntimeError("killed"))
    record = sweep._result(future, Point(mac="int4"), "test")
    assert record["metrics"]["failed"]["value"] == "RuntimeError: killed"


def test_sweep_on_a_cluster_submits_every_point(grid, tmp_path, monkeypatch):
    asked = []

    class Client:
        def __init__(self, address, timeout):
            asked.append(address)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            asked.append("closed")

        def submit(self, function, *arguments, pure):
            assert not pure
            future = Future()
            future.set_result(function(*arguments))
            return future

    monkeypatch.setitem(
        sys.modules, "distributed", SimpleNamespace(Client=Client, as_completed=reversed)
    )
    out = tmp_path / "out.json"
    assert sweep.main([str(grid), "--out", str(out), "--scheduler", "tcp://host:1"]) == 0
    assert asked == ["tcp://host:1", "closed"]
    assert ["failed" in record.metrics for record in read_records(out)] == [
        False,
        False,
        True,
        True,
    ]


def test_sweep_on_a_real_cluster(grid, tmp_path):
    distributed = pytest.importorskip("distributed", reason="Dask is not installed")
    out = tmp_path / "out.json"
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        address = cluster.scheduler_address
        assert sweep.main([str(grid), "--out", str(out), "--scheduler", address]) == 0
    assert ["failed" in record.metrics for record in read_records(out)] == [
        False,
        False,
        True,
        True,
    ]


def test_sweep_wrong_scheduler(grid, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SpecError, match=r"^--scheduler needs Dask, which is not installed: "):
        sweep.sweep(read_points(grid), "test", scheduler="tcp://host:1")

    def refuse(address, timeout):
        raise OSError

    monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace(Client=refuse))
    message = "No Dask scheduler answers at 'tcp://host:1'"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        sweep.sweep(read_points(grid), "test", scheduler="tcp://host:1")

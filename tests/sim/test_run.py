# SPDX-License-Identifier: Apache-2.0
"""``python -m sim.run``: what it prints and writes, its errors; equal sums from all backends."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import sim
from hw.progress import Progress
from hw.spec import Kind, parse_array, parse_mac
from hw.spec.arrays import traffic
from sim.run import engines
from sim.run.__main__ import main
from sim.run.operands import DISTRIBUTIONS, draw
from sim.run.sums import as_bits, checksum, relative_error

ROOT = Path(__file__).resolve().parents[2]
UNIT = ["--mac", "e4m3", "--acc", "fp32", "--array", "4x4"]


def run(capsys, *arguments):
    """JSON of a run without errors."""
    assert main([*UNIT, *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_run_prints_a_table(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    assert main([*UNIT, "--size", "30x20x10"]) == 0
    shown = capsys.readouterr()
    *lines, took = shown.out.splitlines()
    assert lines == [
        "array        array_4x4_os_e4m3_fp32",
        "product      30x20x10",
        "backend      fast (numpy)",
        "cycles       491",
        "utilisation  76.4%",
        "tiles        24",
        "bytes moved  5,376 (A 1,920, B 1,920, C 1,536)",
        "checksum     cc49b0e04a0e509e",
        "error        0 (relative RMS, against FP64)",
    ]
    assert took.startswith("time         ")
    assert took.endswith(" GMAC/s")
    assert shown.err == ""


def test_run_prints_json(capsys):
    found = run(capsys, "--size", "40x70x50", "--seed", "3", "--backend", "vector")
    spec = parse_array("4x4", parse_mac("e4m3", acc="fp32"))
    moved = traffic(spec, 40, 70, 50)
    assert {
        name: value
        for name, value in found.items()
        if name not in ("checksum", "start_up_s", "wall_s", "mac_per_s")
    } == {
        "array": spec.name,
        "backend": "vector",
        "kernels": None,
        "m": 40,
        "k": 70,
        "n": 50,
        "cycles": spec.cycles(40, 70, 50),
        "utilisation": spec.utilisation(40, 70, 50),
        "tiles": 130,
        "bytes": {"a": moved.a, "b": moved.b, "c": moved.c, "total": moved.total},
        "relative_rms_error": found["relative_rms_error"],
    }
    assert 0 <= found["relative_rms_error"] < 1e-6
    assert found["mac_per_s"] == pytest.approx(40 * 70 * 50 / found["wall_s"])
    assert found["start_up_s"] >= 0


@pytest.mark.parametrize(
    "unit",
    [
        "e4m3,acc=fp32",
        "e5m2",
        "e4m3,acc=bf16,lanes=2",
        "int8",
        "e5m2,acc=fx60m20",
        "e4m3,acc=hopper",
    ],
)
def test_models_print_the_same(capsys, unit):
    found = []
    for backend in ("fast", "vector", "cycle"):
        arguments = ["--mac", unit, "--array", "3x5", "--size", "20x64x30", "--backend", backend]
        assert main([*arguments, "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out))
    for name in ("cycles", "checksum", "utilisation", "bytes", "relative_rms_error"):
        assert found[0][name] == found[1][name] == found[2][name], name


def test_weight_stationary_models_print_the_same(capsys):
    found = [
        run(
            capsys,
            "--dataflow",
            "ws",
            "--acc-depth",
            "7",
            "--size",
            "20x30x12",
            "--backend",
            backend,
        )
        for backend in ("fast", "cycle")
    ]
    for name in ("cycles", "checksum", "utilisation", "bytes", "relative_rms_error"):
        assert found[0][name] == found[1][name], name


OUT = ["--out-format", "int8", "--out-scale", "fp32:-0.002", "--zero-point", "3"]


@pytest.mark.parametrize(
    "unit",
    [
        ["--mac", "e4m3", "--acc", "fp32", "--array", "2x2"],
        pytest.param(
            ["--mac", "int8", "--array", "2x3", "--dataflow", "ws", *OUT], marks=pytest.mark.slow
        ),
        ["--mac", "int8", "--lanes", "2", "--array", "3x1"],
    ],
)
def test_rtl_prints_the_same(capsys, monkeypatch, unit):
    found, steps = [], []
    monkeypatch.setattr(Progress, "at_once", lambda self, text: steps.append(text))
    for backend in ("fast", "rtl"):
        assert main([*unit, "--size", "9x13x7", "--backend", backend, "--json"]) == 0
        shown = capsys.readouterr()
        found.append(json.loads(shown.out))
    for name in ("array", "cycles", "checksum", "utilisation", "bytes", "relative_rms_error"):
        assert found[0][name] == found[1][name], name
    spec = found[0]["array"]
    assert steps == [
        f"generating and compiling {spec}",
        f"running {found[0]['cycles']:,} clock cycles",
    ]


@pytest.mark.parametrize(
    ("unit", "stage"),
    [
        ("int8", OUT),
        ("e4m3", ["--out-format", "e5m2", "--out-scale", "pow2:-3", "--no-saturate"]),
        ("e5m2,acc=fp32,lanes=2", ["--out-format", "bf16"]),
    ],
)
def test_models_round_alike_at_the_drain(capsys, tmp_path, unit, stage):
    """The output stage rounds the sums to few bits, and adds one cycle."""
    whole, found, codes = ["--mac", unit, "--array", "3x5", "--size", "9x20x11"], [], []
    for backend, more in (("fast", []), *((name, stage) for name in ("fast", "vector", "cycle"))):
        file = tmp_path / f"{len(found)}.npy"
        assert main([*whole, *more, "--backend", backend, "--out", str(file), "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out))
        codes.append(np.load(file))
    plain, first, *others = found
    for other, held in zip(others, codes[2:], strict=True):
        assert (held == codes[1]).all()
        for name in ("array", "cycles", "checksum", "utilisation", "bytes", "relative_rms_error"):
            assert other[name] == first[name], name
    assert first["cycles"] == plain["cycles"] + 1
    assert first["checksum"] != plain["checksum"]
    # Codes of int8 are signed.
    assert codes[1].dtype == {"int8": np.int8, "e5m2": np.uint8, "bf16": np.uint16}[stage[1]]
    assert plain["relative_rms_error"] < first["relative_rms_error"] < 0.2


def test_operands_come_from_files_and_sums_go_to_one(capsys, tmp_path):
    rng = np.random.default_rng(4)
    a = rng.integers(0, 120, (6, 9)).astype(np.uint8)
    b = rng.integers(0, 120, (9, 5))
    np.save(tmp_path / "a.npy", a)
    np.save(tmp_path / "b.npy", b)
    out = tmp_path / "new" / "c.npy"
    files = ["--a", str(tmp_path / "a.npy"), "--b", str(tmp_path / "b.npy")]
    found = run(capsys, *files, "--out", str(out), "--size", "6x9x5")
    wanted = sim.matmul(a, b, "e4m3,acc=fp32")
    got = np.load(out)
    assert got.dtype == np.uint32
    assert (got == wanted).all()
    assert found["checksum"] == checksum(wanted, np.zeros_like(wanted), parse_mac("e4m3,acc=fp32"))
    assert main([*UNIT, *files, "--out", str(out)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(out)
    assert [file.name for file in out.parent.iterdir()] == ["c.npy"]


@pytest.mark.parametrize("backend", ["fast", "cycle"])
@pytest.mark.parametrize(
    ("unit", "dtype"),
    [
        ("int8", np.int32),
        ("int8,acc=int17", np.int32),
        ("e4m3,acc=fx64m18", np.int64),
        ("e4m3,acc=bf16", np.uint16),
        ("e5m2,acc=fx60m20", np.int64),
    ],
)
def test_results_read_as_what_they_are(tmp_path, unit, dtype, backend):
    """Values and codes; negative sums are negative in both."""
    mac = parse_mac(unit)
    a, b = np.array([[-1.0, 2.0], [3.0, -4.0]]), np.array([[1.0], [-3.0]])
    for name, x, fmt in (("a", a, mac.a), ("b", b, mac.b)):
        np.save(tmp_path / f"{name}.npy", sim.encode(x, fmt))
    files = ["--a", str(tmp_path / "a.npy"), "--b", str(tmp_path / "b.npy"), "--backend", backend]
    for suffix in ("npy", "npz"):
        out = str(tmp_path / f"c.{suffix}")
        assert main(["--mac", unit, "--array", "2x2", *files, "--out", out]) == 0
    found = np.load(tmp_path / "c.npz", allow_pickle=False)
    assert sorted(found) == ["codes", "flags", "values"]
    assert found["values"].tolist() == [[-7.0], [15.0]]
    assert found["flags"].tolist() == [[0], [0]]
    codes = np.load(tmp_path / "c.npy")
    assert codes.dtype == found["codes"].dtype == dtype
    assert (codes == found["codes"]).all()
    assert sim.values(codes, mac).tolist() == [[-7.0], [15.0]]
    if mac.acc.is_fixed:
        assert (codes * 2.0**mac.acc.lsb_exp).tolist() == [[-7.0], [15.0]]


def test_wide_sums_are_bytes_of_twos_complement(tmp_path):
    np.save(tmp_path / "a.npy", sim.encode([[-1.0, 2.0], [3.0, -4.0]], "e5m2"))
    np.save(tmp_path / "b.npy", sim.encode([[1.0], [-3.0]], "e5m2"))
    files = ["--a", str(tmp_path / "a.npy"), "--b", str(tmp_path / "b.npy")]
    out, mac = tmp_path / "c.npz", parse_mac("e5m2")
    assert main(["--mac", "e5m2", "--array", "2x2", *files, "--out", str(out)]) == 0
    found = np.load(out)
    assert found["codes"].shape == (2, 1, -(-mac.acc.width // 8))
    sums = [int.from_bytes(row[0].tobytes(), "little", signed=True) for row in found["codes"]]
    assert [total * 2.0**mac.acc.lsb_exp for total in sums] == [-7.0, 15.0]
    assert found["values"].tolist() == [[-7.0], [15.0]]


def test_special_values_and_output_stages_in_a_file(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[0x7C, 0x3C]], np.uint8))
    np.save(tmp_path / "b.npy", np.array([[0x3C, 0xBC], [0x3C, 0x3C]], np.uint8))
    files = ["--a", str(tmp_path / "a.npy"), "--b", str(tmp_path / "b.npy")]
    out = tmp_path / "c.npz"
    assert main(["--mac", "e5m2", "--array", "2x2", *files, "--out", str(out)]) == 0
    assert np.load(out)["values"].tolist() == [[np.inf, -np.inf]]
    assert np.load(out)["flags"].tolist() == [[1, 2]]
    np.save(tmp_path / "a.npy", np.array([[-3, 1]], np.int8))
    np.save(tmp_path / "b.npy", np.array([[4], [2]], np.int8))
    stage = ["--out-format", "int8", "--out-scale", "pow2:-1", "--zero-point", "1"]
    arguments = ["--mac", "int8", "--array", "2x2", *stage, *files, "--out", str(out)]
    assert main(arguments) == 0
    assert np.load(out)["codes"].tolist() == [[-4]]
    assert np.load(out)["values"].tolist() == [[-10.0]]


def test_values_of_signed_integers_are_codes(capsys, tmp_path):
    values = np.array([[-128, 5], [7, -1]], np.int8)
    for name, array in (("values", values), ("codes", values.view(np.uint8))):
        np.save(tmp_path / f"{name}.npy", array)
    sums = set()
    for name in ("values", "codes"):
        file = str(tmp_path / f"{name}.npy")
        assert main(["--mac", "int8", "--array", "2x2", "--a", file, "--b", file, "--json"]) == 0
        sums.add(json.loads(capsys.readouterr().out)["checksum"])
    assert len(sums) == 1


def test_tool_that_is_missing_is_reported_in_one_line(capsys, monkeypatch):
    from sim.rtl import RtlError, array

    def fail(spec):
        raise RtlError("verilator is missing")

    monkeypatch.setattr(array, "compiled_array", fail)
    assert main([*UNIT, "--size", "4x4x4", "--backend", "rtl"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "python -m sim.run: error: verilator is missing\n"


def test_progress_is_reported_at_intervals(capsys, monkeypatch):
    now = [10.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    progress = Progress()
    for seconds, text in ((1.9, "no"), (0.1, "a"), (1.0, "no"), (1.0, "b")):
        now[0] += seconds
        progress(text)
    assert capsys.readouterr().err == "[  2.0 s] a\n[  4.0 s] b\n"


def test_step_is_reported_once_it_takes_long(capsys, monkeypatch):
    monkeypatch.setattr("hw.progress.PATIENCE", 0.2)
    progress = Progress()
    progress.at_once("short")
    progress.at_once("long")
    time.sleep(0.5)
    progress.at_once("not reached")
    progress.done()
    time.sleep(0.3)
    assert re.fullmatch(r"\[  0\.\d s\] long\n", capsys.readouterr().err)


def test_quiet_reports_nothing(capsys, monkeypatch):
    monkeypatch.setattr("hw.progress.PATIENCE", 0.0)
    assert main([*UNIT, "--size", "4x4x4", "--json"]) == 0
    assert capsys.readouterr().err
    assert main([*UNIT, "--size", "4x4x4", "--json", "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_rows_in_parts_make_the_whole(monkeypatch):
    monkeypatch.setattr(engines, "FIRST", 300)
    spec, told = parse_array("2x2", "e5m2"), []
    monkeypatch.setattr(Progress, "__call__", lambda self, text: told.append(text))
    rng = np.random.default_rng(6)
    a, b = rng.integers(0, 256, (1000, 5)), rng.integers(0, 256, (5, 6))
    ready = engines.ENGINES["vector"](spec, Progress())
    got = ready(a, b, Progress())
    sums, flags = sim.matmul_with_flags(a, b, spec.mac)
    assert (got.codes == sums).all()
    assert (got.flags == flags).all()
    assert len(told) > 3
    assert told[:2] == ["0 of 1,000 rows", "10 of 1,000 rows"]
    assert told[-1] == "1,000 of 1,000 rows"


def test_interrupted_run_leaves_no_file(tmp_path):
    command = [
        sys.executable,
        "-m",
        "sim.run",
        "--mac",
        "e5m2",
        "--acc",
        "fp16-rtz",
        "--array",
        "4x4",
        "--size",
        "4000x600x600",
        "--backend",
        "vector",
        "--out",
        str(tmp_path / "c.npy"),
    ]
    # A test run in the background may ignore Ctrl-C, and its child processes would inherit that.
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        # Python can lose a signal while it imports modules; after this wait it computes.
        assert "rows" in process.stderr.readline()
        assert [file.name[:9] for file in tmp_path.iterdir()] == [".writing-"]
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert told.splitlines()[-1] == "python -m sim.run: interrupted"
    assert "Traceback" not in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "unit", ["e4m3,acc=fp32", "e5m2,acc=fp16", "e4m3", "e5m2", "e5m2,acc=aligned:13"]
)
def test_nan_and_infinity_are_valid_codes(capsys, tmp_path, unit):
    """They are valid operands; the sums are special codes, or have flags."""
    mac = parse_mac(unit)
    special = [code for code in range(256) if mac.a.unpack(code).kind in (Kind.NAN, Kind.INF)]
    a = np.array([[special[0], 1, 2], [3, special[-1], 4], [5, 6, 7]], np.uint8)
    b = np.array([[1, special[-1]], [0, 2], [special[0], 3]], np.uint8)
    found = {}
    for name, array in (("a", a), ("b", b)):
        np.save(tmp_path / f"{name}.npy", array)
    for backend in ("fast", "vector", "cycle"):
        assert (
            main(
                [
                    "--mac",
                    unit,
                    "--array",
                    "2x2",
                    "--a",
                    str(tmp_path / "a.npy"),
                    "--b",
                    str(tmp_path / "b.npy"),
                    "--backend",
                    backend,
                    "--json",
                ]
            )
            == 0
        )
        found[backend] = json.loads(capsys.readouterr().out)["checksum"]
    sums, flags = sim.matmul_with_flags(a, b, unit)
    assert set(found.values()) == {checksum(sums, flags, mac)}
    special_sums = flags if mac.flag_bits else ~np.isfinite(sim.decode(sums, mac.acc.fmt))
    assert special_sums.any()


REFUSED = [
    (
        ["--mac", "e4m3", "--size", "4x4x4"],
        "No array size is given; add --array ROWSxCOLS, for instance --array 16x16",
    ),
    ([*UNIT, "--size", "4x0x4"], "GEMM k must be an integer from 1 to 281474976710656, not 0"),
    ([*UNIT, "--size", "0x4x4"], "GEMM m must be an integer from 1 to 281474976710656, not 0"),
    (
        [*UNIT, "--size", "999999999x999999999x1"],
        "The product 999999999x999999999x1 does not fit in memory: use a smaller size",
    ),
    ([*UNIT, "--size", "4x4"], "Size must be MxKxN, for instance 512x512x512, not '4x4'"),
    (
        [*UNIT, "--size", "4x4x4", "--out-scale", "pow2:1", "--no-saturate"],
        "No output stage is given for --no-saturate, --out-scale; add --out-format FMT",
    ),
    (
        [*UNIT, "--size", "4x4x4", "--out-format", "int8", "--out-scale", "bar:1"],
        "Output scale must be one of none, pow2, fp32, not 'bar'",
    ),
    (
        [*UNIT, "--size", "4x4x4", "--out-format", "int8", "--out-scale", "pow2:0.5"],
        ("Scale must be pow2:VALUE or fp32:VALUE, for fp32 finite and not 0, not 'pow2:0.5'"),
    ),
    (
        [*UNIT, "--size", "4x4x4", "--out-format", "int8", "--out-scale", "fp32:inf"],
        ("Scale must be pow2:VALUE or fp32:VALUE, for fp32 finite and not 0, not 'fp32:inf'"),
    ),
    (
        [*UNIT, "--size", "4x4x4", "--out-format", "int8", "--out-scale", "pow2:200"],
        "Scale must be from -128 to 127, not 200",
    ),
    (
        [*UNIT, "--size", "4x4x4", "--out-format", "int4", "--zero-point", "9"],
        "Zero point must be from -8 to 7, not 9",
    ),
    (UNIT, "Operands are missing: give --size MxKxN, or --a FILE and --b FILE"),
    ([*UNIT, "--a", "{a}"], "Only one operand file is given: give both --a and --b, or neither"),
    ([*UNIT, "--size", "4x4x4", "--seed", "-1"], "Seed must be 0 or more, not -1"),
    (
        [*UNIT, "--a", "{a}", "--b", "{b}", "--seed", "1"],
        "--seed is for random operands: leave it out with --a and --b",
    ),
    (
        [*UNIT, "--a", "{a}", "--b", "{a}"],
        "Operand b shape must be (4, N) to match the K of operand a, not (3, 4)",
    ),
    (
        [*UNIT, "--a", "{a}", "--b", "{b}", "--size", "3x4x6"],
        "Size must be 3x4x5, as in the files, not '3x4x6'",
    ),
    (
        [*UNIT, "--a", "{real}", "--b", "{b}"],
        (
            "Operand a dtype must be e4m3 or an integer type, not 'float64'; "
            "sim.encode(x, 'e4m3') turns numbers into codes"
        ),
    ),
    (
        [*UNIT, "--a", "{wide}", "--b", "{b}"],
        "Operand a must be codes of e4m3 from 0 to 255, not 256",
    ),
    (
        [*UNIT, "--a", "{flat}", "--b", "{b}"],
        "Operand a shape must be two sides of at least 1, not (4,)",
    ),
    (
        [*UNIT, "--a", "{empty}", "--b", "{b}"],
        "Operand a shape must be two sides of at least 1, not (4, 0)",
    ),
    (
        [*UNIT, "--a", "{nan}", "--b", "{b}"],
        (
            "Operand a dtype must be e4m3 or an integer type, not 'float64'; "
            "sim.encode(x, 'e4m3') turns numbers into codes"
        ),
    ),
    (
        [*UNIT, "--a", "{none}", "--b", "{b}"],
        "Operand a file '{none}' cannot be read: no such file or directory",
    ),
    (
        [*UNIT, "--a", "{text}", "--b", "{b}"],
        "Operand a file '{text}' cannot be read: not a .npy file of numbers",
    ),
    (
        [*UNIT, "--size", "4x4x4", "--out", "{text}/c.npy"],
        "Output file '{text}/c.npy' cannot be written: file exists",
    ),
    (
        [*UNIT, "--size", "4x4x4", "--out", "{folder}"],
        "Output file '{folder}' cannot be written: is a directory",
    ),
    (
        [*UNIT, "--size", "4x4x4", "--backend", "slow"],
        (
            "argument --backend: invalid choice: 'slow' (choose from "
            f"{', '.join(map(repr, engines.ENGINES))})"
        ),
    ),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_run_refuses_in_one_line(capsys, tmp_path, arguments, message):
    arrays = {
        "a": np.ones((3, 4), int),
        "b": np.ones((4, 5), int),
        "real": np.ones((3, 4)),
        "wide": np.full((3, 4), 256),
        "flat": np.ones(4, int),
        "empty": np.ones((4, 0), int),
        "nan": np.full((3, 4), np.nan),
    }
    paths = {name: str(tmp_path / f"{name}.npy") for name in (*arrays, "none", "text")}
    for name, array in arrays.items():
        np.save(paths[name], array)
    Path(paths["text"]).write_text("no array")
    paths["folder"] = str(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SystemExit) as ended:
        main([word.format(**paths) for word in arguments])
    shown = capsys.readouterr()
    assert ended.value.code == 2
    assert shown.out == ""
    assert shown.err == f"python -m sim.run: error: {message.format(**paths)}\n"
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("sums", "mac", "wanted"),
    [
        (np.array([[-1, 5]]), "int8,acc=int20", [[0xFFFFF, 5]]),
        (np.array([[-1, 5]], object), "e5m2,acc=fx70m32", [[[255] * 8 + [63], [5] + [0] * 8]]),
        (np.array([[-2]], object), "e4m3,acc=fx64m18", [[(1 << 64) - 2]]),
        (np.array([[0x7F800000]], np.uint32), "e4m3,acc=fp32", [[0x7F800000]]),
    ],
)
def test_bits_of_sums(sums, mac, wanted):
    assert as_bits(sums, parse_mac(mac).acc.width).tolist() == wanted


def test_checksum_sees_every_bit_and_flag():
    spec, rng = parse_mac("e5m2,acc=fx51m12"), np.random.default_rng(5)
    sums, flags = rng.integers(-(2**50), 2**50, (3, 4)), np.zeros((3, 4), np.uint8)
    found = {checksum(sums, flags, spec)}
    for place in np.ndindex(3, 4):
        for bit in range(51):
            other = sums.copy()
            other[place] ^= 1 << bit
            found.add(checksum(other, flags, spec))
        raised = flags.copy()
        raised[place] = 1
        found.add(checksum(sums, raised, spec))
    assert len(found) == 1 + 12 * (51 + 1)


def test_relative_error_leaves_out_what_is_not_finite():
    mac = parse_mac("e5m2,acc=bf16")
    a = sim.encode([[1.0, 0.5], [2.0, 1.0], [0.0, 0.0]], "e5m2")
    b = sim.encode([[256.0, 3.0], [2.0, 0.5]], "e5m2")
    a[2, 0] = mac.a.nan_code
    sums, flags = sim.matmul_with_flags(a, b, mac)
    exact = np.array([[257.0, 3.25], [514.0, 6.5]])
    got = sim.decode(sums[:2], "bf16")
    assert got.tolist() == [[256.0, 3.25], [512.0, 6.5]]
    wanted = np.sqrt(((got - exact) ** 2).sum() / (exact**2).sum())
    found = relative_error(a, b, sums, flags, mac, Progress())
    assert found == pytest.approx(wanted, rel=1e-12)
    assert relative_error(a[2:], b, sums[2:], flags[2:], mac, Progress()) is None


@pytest.mark.parametrize("data", DISTRIBUTIONS)
@pytest.mark.parametrize("name", ["e4m3", "int8", "uint8", "bf16"])
def test_drawn_operands_are_finite_spread_and_repeatable(name, data):
    fmt = parse_mac(name).a
    codes = draw(fmt, (60, 70), data, [1, 0], Progress())
    values = sim.decode(codes, fmt)
    assert np.isfinite(values).all()
    assert (codes == draw(fmt, (60, 70), data, [1, 0], Progress())).all()
    assert (codes != draw(fmt, (60, 70), data, [1, 1], Progress())).any()
    scale = fmt.max if fmt.is_integer else 1
    assert 0.05 < np.abs(values).mean() / scale < 1

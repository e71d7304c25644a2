# SPDX-License-Identifier: Apache-2.0
"""``python -m sim.run``: operands that it computes with, and what it refuses in one line."""

import json
from pathlib import Path

import numpy as np
import pytest

import sim
from hw.spec import Kind, parse_mac
from sim.run import engines
from sim.run.__main__ import main
from sim.run.sums import checksum

UNIT = ["--mac", "e4m3", "--acc", "fp32", "--array", "4x4"]


@pytest.mark.parametrize("unit", ["e4m3,acc=fp32", "e5m2,acc=fp16", "e4m3", "e5m2",
                                  "e5m2,acc=aligned:13"])
def test_nan_and_infinity_are_codes_as_any(capsys, tmp_path, unit):
    """They are computed with, not refused: the sums say so, or the flags beside them."""
    mac = parse_mac(unit)
    special = [code for code in range(256) if mac.a.unpack(code).kind in (Kind.NAN, Kind.INF)]
    a = np.array([[special[0], 1, 2], [3, special[-1], 4], [5, 6, 7]], np.uint8)
    b = np.array([[1, special[-1]], [0, 2], [special[0], 3]], np.uint8)
    found = {}
    for name, array in (("a", a), ("b", b)):
        np.save(tmp_path / f"{name}.npy", array)
    for backend in ("fast", "vector", "cycle"):
        assert main(["--mac", unit, "--array", "2x2", "--a", str(tmp_path / "a.npy"), "--b",
                     str(tmp_path / "b.npy"), "--backend", backend, "--json"]) == 0
        found[backend] = json.loads(capsys.readouterr().out)["checksum"]
    sums, flags = sim.matmul_with_flags(a, b, unit)
    assert set(found.values()) == {checksum(sums, flags, mac)}
    special_sums = flags if mac.flag_bits else ~np.isfinite(sim.decode(sums, mac.acc.fmt))
    assert special_sums.any()


REFUSED = [
    (["--mac", "e4m3", "--size", "4x4x4"],
     "Array size must be given by --array ROWSxCOLS, not None"),
    ([*UNIT, "--size", "4x0x4"], "GEMM k must be an integer from 1 to 281474976710656, not 0"),
    ([*UNIT, "--size", "0x4x4"], "GEMM m must be an integer from 1 to 281474976710656, not 0"),
    ([*UNIT, "--size", "999999999x999999999x1"],
     "Size must be that of a product which the memory of this machine holds, not '999999999x999999999x1'"),
    ([*UNIT, "--size", "4x4"], "Size must be MxKxN, for instance 512x512x512, not '4x4'"),
    ([*UNIT, "--size", "4x4x4", "--out-scale", "pow2:1", "--no-saturate"],
     "Output format must be given by --out-format FMT with --no-saturate, --out-scale, not None"),
    ([*UNIT, "--size", "4x4x4", "--out-format", "int8", "--out-scale", "bar:1"],
     "Output scale must be one of none, pow2, fp32, not 'bar'"),
    ([*UNIT, "--size", "4x4x4", "--out-format", "int8", "--out-scale", "pow2:0.5"],
     ("Scale must be pow2:VALUE or fp32:VALUE, VALUE finite and not 0 for fp32, not "
      "'pow2:0.5'")),
    ([*UNIT, "--size", "4x4x4", "--out-format", "int8", "--out-scale", "fp32:inf"],
     ("Scale must be pow2:VALUE or fp32:VALUE, VALUE finite and not 0 for fp32, not "
      "'fp32:inf'")),
    ([*UNIT, "--size", "4x4x4", "--out-format", "int8", "--out-scale", "pow2:200"],
     "Scale must be from -128 to 127, not 200"),
    ([*UNIT, "--size", "4x4x4", "--out-format", "int4", "--zero-point", "9"],
     "Zero point must be from -8 to 7, not 9"),
    (UNIT, "Operands must be given by --size MxKxN, or by --a and --b, not None"),
    ([*UNIT, "--a", "{a}"],
     "Operands must be given by both --a and --b, or by neither, not '--a'"),
    ([*UNIT, "--size", "4x4x4", "--seed", "-1"], "Seed must be 0 or more, not -1"),
    ([*UNIT, "--a", "{a}", "--b", "{b}", "--seed", "1"],
     "Random operands must be left out with --a and --b, not '--seed'"),
    ([*UNIT, "--a", "{a}", "--b", "{a}"],
     "Operand b shape must be (4, N) to match the K of operand a, not (3, 4)"),
    ([*UNIT, "--a", "{a}", "--b", "{b}", "--size", "3x4x6"],
     "Size must be 3x4x5 as in the files, not '3x4x6'"),
    ([*UNIT, "--a", "{real}", "--b", "{b}"],
     "Operand a dtype must be an integer type, not 'float64'"),
    ([*UNIT, "--a", "{wide}", "--b", "{b}"],
     "Operand a must be codes of e4m3 from 0 to 255, not 256"),
    ([*UNIT, "--a", "{flat}", "--b", "{b}"],
     "Operand a shape must be two sides of at least 1, not (4,)"),
    ([*UNIT, "--a", "{empty}", "--b", "{b}"],
     "Operand a shape must be two sides of at least 1, not (4, 0)"),
    ([*UNIT, "--a", "{nan}", "--b", "{b}"],
     "Operand a dtype must be an integer type, not 'float64'"),
    ([*UNIT, "--a", "{none}", "--b", "{b}"],
     "Operand a file must be readable, not '{none}' (no such file or directory)"),
    ([*UNIT, "--a", "{text}", "--b", "{b}"],
     "Operand a file must be readable, not '{text}' (no .npy file of numbers)"),
    ([*UNIT, "--size", "4x4x4", "--out", "{text}/c.npy"],
     "Output file must be writable, not '{text}/c.npy' (file exists)"),
    ([*UNIT, "--size", "4x4x4", "--out", "{folder}"],
     "Output file must be writable, not '{folder}' (is a directory)"),
    ([*UNIT, "--size", "4x4x4", "--backend", "slow"],
     ("argument --backend: invalid choice: 'slow' (choose from "
      f"{', '.join(map(repr, engines.ENGINES))})")),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_run_refuses_in_one_line(capsys, tmp_path, arguments, message):
    arrays = {"a": np.ones((3, 4), int), "b": np.ones((4, 5), int), "real": np.ones((3, 4)),
              "wide": np.full((3, 4), 256), "flat": np.ones(4, int),
              "empty": np.ones((4, 0), int), "nan": np.full((3, 4), np.nan)}
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

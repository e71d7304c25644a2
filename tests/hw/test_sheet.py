# SPDX-License-Identifier: Apache-2.0
"""What the port sheet says of cycles and of columns beyond N, against the compiled RTL."""

import json
import re

import numpy as np
import pytest

import sim
import sim.rtl
from hw.build import generate
from hw.spec import parse_array, parse_gemm, parse_mac, parse_output
from sim.rtl.engine import BUSES, EngineDriver
from sim.tiling import A, B, C, beats
from tests.support.engine_checks import results, set_output

SEED = 17


def built(spec, folder):
    """Compiled unit after a reset, and its sheet."""
    manifest = generate(spec, folder)
    ports = json.loads(manifest.read_text())["ports"]
    model = sim.rtl.compile([manifest.with_suffix(".v")], spec.name, ports, optimize="-O0")
    model.reset()
    return model, manifest.with_suffix(".md").read_text()


def figures(text, pattern):
    """Numbers in the one place of the sheet that matches."""
    (found,) = re.finditer(pattern, text)
    return [int(number) for number in found.groups()]


@pytest.mark.parametrize(
    ("spec", "pattern"),
    [
        *(
            (parse_mac(text), r"`o_valid` is 1 for one cycle, (\d+) cycles? after the pair with")
            for text in (
                "int8",
                "int8,acc=int32,pipeline=3",
                "e4m3,acc=fp32,lanes=2,pipeline=3",
                "e5m2,acc=fp16",
                "e4m3,acc=aligned:24,lanes=4",
            )
        ),
        *(
            (parse_output(text), r"`o_valid` and `o_data` come (\d+) cycles? after `i_valid`")
            for text in ("e4m3,from=fp32", "int8,from=int32,scale=fp32,zero_point=yes")
        ),
    ],
    ids=str,
)
def test_latency_of_macs_and_output_stages(spec, pattern, tmp_path):
    """One sum or pair at a time, and several behind each other."""
    model, text = built(spec, tmp_path)
    (latency,) = figures(text, pattern)
    rng = np.random.default_rng(SEED)
    starts = np.zeros(64 + latency, np.uint64)
    starts[[0, *(4 + np.flatnonzero(rng.integers(0, 2, 56)))]] = 1
    names = [name for name in ("i_valid", "i_first", "i_last") if name in model.index]
    valid = model.run(dict.fromkeys(names, starts), outputs=["o_valid"])["o_valid"]
    assert starts.sum() > 20
    assert np.array_equal(valid[latency:], starts[: len(starts) - latency])
    assert not valid[:latency].any()


def streamed(spec, model, m, k, n):
    """Cycles in which each beat of A, of B and of C was taken, without stalls."""
    rng = np.random.default_rng(SEED)
    sides = ((spec.mac.a, (m, k)), (spec.mac.b, (k, n)))
    given = beats(
        spec, *(rng.integers(0, 1 << fmt.width, size, dtype=np.uint64) for fmt, size in sides)
    )
    model.reset()
    ran = model.stream(given.sources, {C: len(given.rows)}, last=given.last, user=given.user)
    a, b = (ran.sent[name] for name in (A, B))
    return a, b, ran.received[C].cycle


@pytest.mark.parametrize(
    ("size", "mac", "out"),
    [
        ("3x2", "int8", None),
        ("1x4", "e4m3,acc=fp16", None),
        ("4x3", "e4m3,acc=fp32,lanes=2,pipeline=3", "e4m3"),
        ("2x5", "int8,acc=int32,pipeline=2", "int8"),
    ],
)
def test_cycles_of_an_output_stationary_array(size, mac, out, tmp_path):
    spec = parse_array(size, mac, out=out)
    model, text = built(spec, tmp_path)
    pattern = r"first row of C is on the stream (\d+) \+ (?:K|ceil\(K / \d+\)) cycles after the"
    (first,) = figures(text, pattern)
    least, shorter = figures(
        text, r"Tiles of at least (\d+) beats? run back to back; a shorter tile takes (\d+) cycles?"
    )
    checked = 0
    for k in (1, spec.mac.lanes, 3 * spec.mac.lanes, 20):
        count, tiles = -(-k // spec.mac.lanes), 3
        a, b, c = streamed(spec, model, tiles * spec.rows, k, spec.cols)
        assert a.tolist() == b.tolist()
        rows = c.reshape(tiles, spec.rows)
        assert rows[0, 0] - a[0] == first + count
        assert (np.diff(rows, axis=1) == 1).all()
        every = count if count >= least else shorter
        assert (np.diff(rows[:, 0]) == every).all()
        checked += tiles
    assert checked == 12


@pytest.mark.parametrize(
    ("size", "mac", "out", "depth"),
    [
        ("3x2", "int8", None, 8),
        ("2x3", "e4m3,acc=fp32,lanes=2,pipeline=3", None, 16),
        ("4x2", "e4m3,acc=fp16", "e4m3", 8),
    ],
)
def test_cycles_of_a_weight_stationary_array(size, mac, out, depth, tmp_path):
    spec = parse_array(size, mac, dataflow="ws", depth=depth, out=out)
    model, text = built(spec, tmp_path)
    (loads,) = figures(text, r"first beat of A is accepted (\d+) cycles after the first beat of B")
    (delay,) = figures(text, r"A row of C comes (\d+) cycles? after its beat of A in the last pass")
    least, shorter = figures(
        text, r"Passes of at least (\d+) beats? of A run back to back; a shorter pass takes (\d+) c"
    )
    checked = 0
    for m in (1, 2, depth):
        for passes in (1, 3):
            a, b, c = streamed(spec, model, m, passes * spec.rows * spec.mac.lanes, spec.cols)
            assert a[0] - b[0] == loads
            each = a.reshape(passes, m)
            assert (c - each[-1] == delay).all()
            assert (np.diff(each[:, 0]) == (m if m >= least else shorter)).all()
            checked += 1
    assert checked == 6


ENGINES = [
    ("2x3", "e5m2,acc=fp32", {}),
    ("2x3", "e5m2,acc=fp32", {"dataflow": "ws", "depth": 8}),
    ("2x3", "e4m3,acc=fp16,lanes=2", {}),
    ("2x3", "e5m2", {}),
    ("2x3", "int8,acc=int32", {}),
    ("2x3", "e5m2,acc=fp32", {"out": "e4m3"}),
    ("2x3", "e5m2,acc=fp32", {"out": "int8,scale=pow2,zero_point=yes"}),
]


@pytest.mark.parametrize(("size", "mac", "options"), ENGINES, ids=str)
def test_cycles_of_an_engine_and_columns_beyond_n(size, mac, options, tmp_path):
    """The columns that the sheet calls zeros, the zero point or NaN are that, and the model's."""
    spec = parse_gemm(parse_array(size, mac, **options), depths="16x16x16")
    array, model_of = spec.array, spec.array.mac
    model, text = built(spec, tmp_path)
    (more,) = figures(text, r"From the write to `start` to `done`, a product takes (\d+) cycles")
    (beyond,) = re.findall(r"- Columns of C beyond N hold (.*)\.\n", text)
    driver = EngineDriver(BUSES[spec.bus](model), spec)
    rng = np.random.default_rng(SEED)
    m, k, n = 4, 3, 2
    a = rng.integers(0, 16, (m, k), dtype=np.uint64)
    special = [code for code in (model_of.a.nan_code, model_of.a.inf_code) if code is not None]
    for row, code in enumerate(special):
        a[row, 1] = code
    b = rng.integers(0, 16, (k, array.cols), dtype=np.uint64)
    b[:, n:] = 0
    settings = set_output(driver, rng)
    product = driver.matmul(a, b[:, :n])
    assert product.cycles == more + array.cycles(m, k, n)
    codes, flags = driver.result(m, array.cols)
    wanted, kinds = results(spec, a, b, settings)
    assert codes.tolist() == wanted.tolist()
    assert flags.tolist() == kinds.tolist()
    out = array.out
    far = codes[:, n:].astype(np.uint64)
    numbers = sim.decode(far, out.to) if out else sim.values(far, model_of)
    zero = settings.get("zero_point", 0)
    held = np.arange(m) < len(special)
    if "flag of NaN" in beyond:
        assert (numbers == 0).all()
        assert ((flags[:, n:] != 0).ravel() == held).all()
    elif "NaN" in beyond:
        assert held.any()
        assert np.isnan(numbers[held]).all()
        assert (numbers[~held] == zero).all()
    else:
        assert beyond == ("the zero point" if out and out.zero_point else "zeros")
        assert (numbers == zero).all()
    names = [n for n, there in (("NaN", model_of.a.has_nan), ("Inf", model_of.a.has_inf)) if there]
    assert (" or ".join(names) in beyond) or not names or (out and not out.to.has_nan)

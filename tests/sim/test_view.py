# SPDX-License-Identifier: Apache-2.0
"""The page that animates a product: its trace against RTL and closed forms, content, limits."""

import base64
import json
import re
import shutil

import numpy as np
import pytest

import sim
from hw.spec import SpecError, parse_array
from reports.studies.wavefront.measure import DUT, record_tiles
from reports.studies.wavefront.trace import TILES, Tiles
from sim.trace.page import page
from sim.trace.record import record, require_viewable
from sim.view import main

UNITS = [
    ("e4m3", "4x4"),
    ("e4m3,acc=fp32", "3x5"),
    ("int8,lanes=2", "2x3"),
    ("e5m2,acc=fx60m20,pipeline=2", "4x2"),
    ("e4m3,acc=aligned:13,lanes=2,pipeline=1", "3x3"),
]


def operands(spec, m, k, n, seed=5):
    """Codes of A and B, special ones too."""
    rng = np.random.default_rng(seed)
    return (
        rng.integers(0, 1 << fmt.width, shape).astype(np.uint8)
        for fmt, shape in ((spec.mac.a, (m, k)), (spec.mac.b, (k, n)))
    )


def padded(matrix, rows, cols):
    """``x`` padded with zeros to whole tiles."""
    return np.pad(matrix, [(0, -matrix.shape[0] % rows), (0, -matrix.shape[1] % cols)])


@pytest.mark.parametrize(("mac", "size"), UNITS)
def test_trace_is_the_closed_form(mac, size):
    """Operands, partial sums and results of each element, in the cycles of the closed form."""
    spec = parse_array(size, mac)
    rows, cols, lanes = spec.rows, spec.cols, spec.mac.lanes
    m, k, n = 2 * rows - 1, 6 * lanes, 2 * cols
    a, b = operands(spec, m, k, n)
    trace = record(a, b, spec)
    assert trace.cycles == spec.cycles(m, k, n)
    a, b = padded(a, rows, 1), padded(b, 1, cols)
    compared = 0
    for beat in range(4 * 6):
        tile, step = divmod(beat, 6)
        top, left = tile // 2 * rows, tile % 2 * cols
        depth = slice(step * lanes, (step + 1) * lanes)
        west, south = a[top : top + rows], b[:, left : left + cols]
        sums, flags = sim.matmul_with_flags(west[:, : depth.stop], south[: depth.stop], spec.mac)
        for row in range(rows):
            for col in range(cols):
                there = (1 + beat + rows - 1 - row + col, row, col)
                later = (there[0] + spec.mac.pipeline, row, col)
                assert trace.operands[there] == trace.sums[later] == beat + 1
                assert (trace.a[there[0], row, :, col] == west[row, depth]).all()
                assert (trace.b[there[0], row, :, col] == south[depth, col]).all()
                assert trace.frame[there] == 1 | (step == 0) << 1 | (step == 5) << 2
                assert trace.acc[later] == sums[row, col]
                assert trace.flags[later] == flags[row, col]
                compared += 1
    assert compared == 24 * rows * cols == (trace.operands > 0).sum() == (trace.sums > 0).sum()
    assert trace.busy.sum() == compared


@pytest.mark.parametrize("stalls", [{}, {"a": [0, 1, 1], "c": [1, 0]}, {"b": [1, 0, 0, 0]}])
@pytest.mark.parametrize(("mac", "size"), UNITS)
def test_tags_name_the_sums(mac, size, stalls):
    """With any stalls, a tagged sum or result equals that of the model."""
    spec = parse_array(size, mac)
    rows, cols, lanes = spec.rows, spec.cols, spec.mac.lanes
    k = 2 * lanes
    a, b = operands(spec, 3 * rows, k, cols)
    trace = record(a, b, spec, stalls=stalls)
    prefixes = np.array(
        [sim.matmul(a[:, :stop], b[:stop], spec.mac) for stop in range(lanes, k + 1, lanes)]
    )
    cycle, row, col = np.nonzero(trace.sums)
    tile, step = np.divmod(trace.sums[cycle, row, col] - 1, 2)
    assert (trace.acc[cycle, row, col] == prefixes[step, tile * rows + row, col]).all()
    assert len({*zip(tile, step, row, col, strict=True)}) == 6 * rows * cols
    cycle, row, col = np.nonzero(trace.owners)
    owner = trace.owners[cycle, row, col] - 1
    assert (trace.result[cycle, row, col] == prefixes[-1, owner, col]).all()
    assert len({*zip(owner, col, strict=True)}) == 3 * rows * cols
    assert (trace.c == prefixes[-1]).all()
    assert (np.diff(trace.left) > 0).all()


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus is not installed")
@pytest.mark.parametrize(("mac", "stages"), [("e4m3", 0), ("e4m3,acc=fp16,pipeline=1", 1)])
def test_trace_is_what_the_rtl_does(tmp_path, mac, stages):
    """Registers of 16 elements in each cycle of two tiles; operands where there are any."""
    spec = parse_array("4x4", mac)
    tiles = Tiles(a=TILES.a, b=TILES.b[[0, 0]])
    a, b = (codes.astype(np.uint8) for codes in tiles.codes(spec))
    wires = record_tiles(spec, tiles, tmp_path)
    while not wires[0][f"{DUT}.s_axis_a_tvalid"]:
        del wires[0]
    trace = record(a.reshape(8, 4), b[0], spec)
    assert len(wires) == trace.cycles == 19 + stages
    compared = unknown = 0
    for at in np.ndindex(trace.cycles, 4, 4):
        for name, value in registers(trace, *at).items():
            found = wires[at[0]][f"{DUT}.grid.row_{at[1]}.pe_{at[2]}.{name}"]
            if name == "frame_q":  # Without operands, first and last are meaningless.
                found &= 7 * (found & 1)
            unknown += found is None
            compared += found is not None
            assert found in (None, int(value)), (name, at)
    assert compared + unknown == 16 * (5 * trace.cycles + 2 * 8)
    # Without reset: sums and results until the first are made.
    assert unknown < 16 * 20


def registers(trace, cycle, row, col):
    """What an element's registers hold, by their names in the RTL."""
    mac, at = trace.spec.mac, (cycle, row, col)
    mask, flags = (1 << mac.acc.width) - 1, (1 << mac.flag_bits) - 1
    valid = trace.frame[at] & 1
    operands = {"a_q": trace.a[cycle, row, 0, col], "north_b": trace.b[cycle, row, 0, col]}
    return {
        **(operands if valid else {}),
        "frame_q": 7 * valid & trace.frame[at],
        "mac.o_valid": trace.done[at],
        "fresh": trace.fresh[at],
        "mac.o_data": int(trace.acc[at]) & mask,
        "north_c": int(trace.result[at]) & mask
        | (int(trace.result_flags[at]) & flags) << mac.acc.width,
    }


def unpacked(plane):
    """Unpack a plane as the page's script does, with numpy."""
    changed = np.unpackbits(octets(plane["changed"]), bitorder="little")
    shape = plane["cycles"], plane["elements"]
    changed = changed[: shape[0] * shape[1]].reshape(shape).astype(bool)
    found = np.zeros(shape, np.int64)
    fresh = iter(octets(plane["numbers"]).view(f"<u{plane['size']}").tolist())
    for cycle in range(shape[0]):
        found[cycle] = found[cycle - 1] if cycle else 0
        for place in np.flatnonzero(changed[cycle]):
            found[cycle, place] = next(fresh)
    assert next(fresh, None) is None
    return found


def octets(text):
    return np.frombuffer(base64.b64decode(text), np.uint8)


@pytest.mark.parametrize(("mac", "size"), UNITS)
def test_page_holds_the_trace(mac, size):
    """Every code and value of every register comes out again."""
    spec = parse_array(size, mac)
    lanes = spec.mac.lanes
    trace = record(*operands(spec, spec.rows, 7 * lanes, 2 * spec.cols), spec)
    [text] = re.findall(r'<script type="application/json" id="trace">(.*?)</script>', page(trace))
    data = json.loads(text)
    for name in ("operands", "sums", "owners"):
        assert (
            unpacked(data["planes"][name]) == getattr(trace, name).reshape(trace.cycles, -1)
        ).all()
    for table, name in (("a", "a"), ("b", "b"), ("c", "acc"), ("c", "result"), ("c", "c")):
        words, kept = data["tables"][table], getattr(trace, name)
        codes, values = octets(words["codes"]), octets(words["values"]).view("<f8")
        per_word = lanes if table != "c" else 1
        kept = np.moveaxis(kept, 2, -1) if table != "c" else kept[..., None]
        codes = codes.reshape(len(values) // per_word, per_word, -1)
        size_of = codes.shape[-1]
        wide = np.pad(codes, [(0, 0), (0, 0), (0, 8 - size_of)]).view("<i8")[..., 0]
        numbers = unpacked(data["planes"][name]).reshape(kept.shape[:-1])
        assert (wide[numbers] == kept & (1 << words["width"]) - 1).all(), name
        fmt = {"a": spec.mac.a, "b": spec.mac.b}.get(table)
        flags = {"acc": trace.flags, "result": trace.result_flags, "c": trace.c_flags}.get(name)
        wanted = (
            sim.decode(kept.astype(np.uint64), fmt)
            if fmt
            else sim.values(kept[..., 0], spec.mac, flags)[..., None]
        )
        np.testing.assert_array_equal(values.reshape(-1, per_word)[numbers], wanted)
    assert data["busy"] == trace.busy.tolist()
    assert data["utilisation"] == pytest.approx(
        spec.utilisation(spec.rows, 7 * lanes, 2 * spec.cols)
    )


def test_values_of_sums_use_their_flags():
    spec = parse_array("1x1", "e5m2").mac
    values = sim.values(np.array([3, 0, 0, 0]), spec, np.array([0, 1, 2, 3]))
    np.testing.assert_array_equal(values, [3 * 2.0**spec.acc.lsb_exp, np.inf, -np.inf, np.nan])


def test_page_asks_for_nothing(tmp_path):
    spec = parse_array("2x2", "e4m3")
    text = page(record(*operands(spec, 2, 2, 2), spec))
    assert "default-src 'none'" in text
    assert not re.search(r"""(src|href)=|@import|url\(|fetch\(|XMLHttp""", text)
    assert re.findall(r"https?://[^\s\"]+", text) == ["http://www.w3.org/2000/svg"]


@pytest.mark.parametrize(("size", "depth", "most"), [("32x32", 98, 3.5e6), ("4x4", 12400, 7e6)])
def test_largest_page_is_small(size, depth, most):
    """All elements are busy, with wide sums that all differ, for the largest number of cycles."""
    spec = parse_array(size, "e4m3")
    rng = np.random.default_rng(2)
    a, b = (
        sim.encode(rng.standard_normal(shape), "e4m3")
        for shape in ((spec.rows, depth), (depth, spec.cols))
    )
    trace = record(a, b, spec)
    assert 190_000 < trace.cycles * spec.rows * spec.cols <= 200_000
    assert most / 2 < len(page(trace)) < most


def test_record_wrong():
    spec = parse_array("2x2", "e4m3")
    with pytest.raises(SpecError, match=r"^Operand shapes must be \(M, K\) and \(K, N\), not "):
        record(np.zeros(3, np.uint8), np.zeros((3, 3), np.uint8), spec)
    # Stalls count too: a trace that is too long is refused before it fills the memory.
    message = "View cycles must be at most 50000 on 2x2 elements, not 50001"
    with pytest.raises(SpecError, match=f"^{message}$"):
        record(*operands(spec, 2, 40, 2), spec, stalls={"a": [1] * 2000 + [0]})


WEIGHT_UNITS = [
    ("e4m3,acc=fp32", "4x3", 5),
    ("int8,lanes=2", "2x3", 4),
    ("e4m3,acc=fp16,pipeline=2", "3x2", 7),
]


def weight_product(mac, size, depth, m, k, n):
    spec = parse_array(size, mac, dataflow="ws", depth=depth)
    rng = np.random.default_rng(9)
    return spec, *(rng.integers(0, 120, shape).astype(np.uint8) for shape in ((m, k), (k, n)))


def order(spec, m, passes, across):
    """Row of C, number of the tile and pass of each beat of A."""
    tops = range(0, m, spec.depth)
    return [
        (row, chunk * across + tile, part)
        for chunk, top in enumerate(tops)
        for tile in range(across)
        for part in range(passes)
        for row in range(top, min(top + spec.depth, m))
    ]


@pytest.mark.parametrize("stalls", [{}, {"a": [0, 1, 1], "c": [1, 0]}, {"b": [1, 0, 0, 0]}])
@pytest.mark.parametrize(("mac", "size", "depth"), WEIGHT_UNITS)
def test_weight_tags_name_operands_weights_and_sums(mac, size, depth, stalls):
    """With any stalls, every operand, weight and sum has a tag, and the tag is right."""
    m, n = 9, 5
    spec, a, b = weight_product(mac, size, depth, m, 7, n)
    lanes, across = spec.mac.lanes, -(-n // spec.cols)
    passes = -(-spec.beats(7) // spec.rows)
    trace = record(a, b, spec, stalls=stalls)
    steps = passes * spec.rows
    # Lanes are filled up with zeros, steps with products that change no sum.
    whole, (neutral_a, neutral_b) = spec.beats(7) * lanes, spec.mac.neutral
    a, b = (
        np.pad(a, ((0, 0), (0, steps * lanes - 7))),
        np.pad(b, ((0, steps * lanes - 7), (0, across * spec.cols - n))),
    )
    a[:, whole:], b[whole:] = neutral_a, neutral_b
    prefixes = np.array(
        [
            sim.matmul(a[:, : stop * lanes], b[: stop * lanes], spec.mac)
            for stop in range(1, steps + 1)
        ]
    )
    beats = np.array(order(spec, m, passes, across))
    cycle, row, col = np.nonzero(trace.sums)
    i, tile, part = beats[trace.sums[cycle, row, col] - 1].T
    j = tile % across * spec.cols + col
    assert (trace.acc[cycle, row, col] == prefixes[part * spec.rows + row, i, j]).all()
    assert len({*zip(i, j, part, row, strict=True)}) == m * across * spec.cols * steps
    cycle, row, col = np.nonzero(trace.operands)
    i, tile, part = beats[trace.operands[cycle, row, col] - 1].T
    taken = trace.a[cycle, row, :, col]
    assert (taken == a.reshape(m, steps, lanes)[i, part * spec.rows + row]).all()
    weights = b.reshape(steps, lanes, -1)
    for name, codes in (("weights", trace.b), ("owners", trace.waiting)):
        cycle, row, col = np.nonzero(getattr(trace, name))
        came, back = np.divmod(getattr(trace, name)[cycle, row, col] - 1, spec.rows)
        (tile, part), step = np.divmod(came, passes), spec.rows - 1 - back
        wanted = weights[part * spec.rows + step, :, tile % across * spec.cols + col]
        # In use is a weight in its own element alone.
        assert name == "owners" or (step == row).all()
        assert (codes[cycle, row, :, col] == wanted).all()
        count = len({*zip(tile, part, step, col, strict=True)})
        assert count == spec.tiles(m, n) * passes * spec.rows * spec.cols
    assert (trace.c[:, :1] == prefixes[-1, :, :: spec.cols].T.reshape(-1, 1)).all() or across > 1
    assert stalls or trace.cycles == spec.cycles(m, 7, n)


def test_weight_page_holds_the_trace():
    """Every register comes out again; the orders of beats are those of the product."""
    spec, a, b = weight_product("e4m3,acc=fp32", "4x3", 5, 9, 7, 5)
    trace = record(a, b, spec)
    [text] = re.findall(r'<script type="application/json" id="trace">(.*?)</script>', page(trace))
    data = json.loads(text)
    for name in ("operands", "sums", "owners", "weights"):
        assert (
            unpacked(data["planes"][name]) == getattr(trace, name).reshape(trace.cycles, -1)
        ).all()
    for table, name in (("a", "a"), ("b", "b"), ("b", "waiting"), ("c", "acc"), ("c", "c")):
        codes = octets(data["tables"][table]["codes"])
        codes = codes.reshape(-1, 1 if table != "c" else 4)
        wide = np.pad(codes, [(0, 0), (0, 8 - codes.shape[1])]).view("<i8")[:, 0]
        kept = getattr(trace, name).reshape(len(getattr(trace, name)), -1)
        assert (wide[unpacked(data["planes"][name])] == kept).all(), name
    assert data["of_a"] == [list(each) for each in zip(*order(spec, 9, 2, 2), strict=True)]
    assert data["beats"] == 8


ARGUMENTS = ["--mac", "e4m3", "--acc", "fp32", "--array", "4x4", "--size", "8x6x4"]


def test_command_writes_the_same_page_again(tmp_path, capsys):
    files = [tmp_path / name for name in ("x.html", "y.html", "z.html")]
    for file, more in zip(files, ([], [], ["--seed", "1"]), strict=True):
        assert main([*ARGUMENTS, *more, "--out", str(file)]) == 0
        assert capsys.readouterr() == (f"{file}\n", "")
    first, again, other = (file.read_bytes() for file in files)
    assert first == again != other
    assert sorted(tmp_path.iterdir()) == files


WRONG = [
    (["--size", "8x6"], "Size must be MxKxN, for instance 512x512x512, not '8x6'"),
    (["--size", "8x0x4"], "GEMM k must be an integer from 1 to 281474976710656, not 0"),
    (["--array", "33x4"], "View array must be at most 32x32, not '33x4'"),
    (
        ["--array", "32x32", "--size", "32x512x32"],
        "View cycles must be at most 195 on 32x32 elements, not 607",
    ),
    (["--seed", "-1"], "Seed must be 0 or more, not -1"),
    (
        ["--acc", "exact:1000000000000"],
        "View mac must be a unit whose sums fit int64, not 'e4m3,acc=fx77m18'",
    ),
    (["--dataflow", "xs"], None),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_command_wrong(tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit, match=r"^2$"):
        main([*ARGUMENTS, *arguments, "--out", str(tmp_path / "x.html")])
    shown = capsys.readouterr()
    assert shown.out == ""
    assert re.fullmatch(r"python -m sim\.view: error: .+\n", shown.err)
    assert message is None or shown.err == f"python -m sim.view: error: {message}\n"
    assert not list(tmp_path.iterdir())


def test_command_without_array(capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["--mac", "e4m3", "--size", "1x1x1"])
    assert capsys.readouterr().err == (
        "python -m sim.view: error: No array size is given; add --array ROWSxCOLS, for "
        "instance --array 16x16\n"
    )


def test_a_page_shows_sums_alone():
    with pytest.raises(SpecError) as caught:
        require_viewable(parse_array("2x2", "int8", out="int4"), 2, 2, 2)
    assert str(caught.value) == (
        "View array must be one without output stages, not "
        "'int8,acc=fx28,array=2x2,dataflow=os,out=int4'"
    )

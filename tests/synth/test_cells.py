# SPDX-License-Identifier: Apache-2.0
"""Verilog models of cells: truth tables against an independent evaluator, and registers."""

import itertools
import re

import numpy as np
import pytest

import sim.rtl
from hw.spec import SpecError
from synth.flow.cells import has_model, models, outputs
from synth.flow.functions import read_function
from synth.flow.liberty import read
from tests.support.cell_libraries import TINY, installed_libraries, rewritten

LIBRARIES = {TINY.name: [TINY]} | installed_libraries()
NAMES = [
    pytest.param(name, marks=() if name == TINY.name else pytest.mark.slow) for name in LIBRARIES
]
STEPS = 200


def pins(cell, direction):
    return [pin.name for pin in cell.pins_of(direction)]


def compiled(library, cells, width, folder):
    """Model of all cells side by side, their inputs the low bits of ``x``, outputs in ``y``."""
    lines, place = [], 0
    for cell in cells:
        wires = [f".{pin}(x[{bit}])" for bit, pin in enumerate(pins(cell, "input"))]
        for pin in pins(cell, "output"):
            wires.append(f".{pin}(y[{place}])")
            place += 1
        lines.append(f"  {cell.name} c{len(lines)} ({', '.join(wires)});")
    (folder / "top.v").write_text(
        "\n".join(
            [
                f"module top(x, y); input [{width - 1}:0] x; output [{place - 1}:0] y;",
                *lines,
                "endmodule",
                "",
            ]
        )
    )
    (folder / "cells.v").write_text(models(library, [cell.name for cell in cells]))
    ports = [
        {"name": "x", "direction": "input", "width": width},
        {"name": "y", "direction": "output", "width": place},
    ]
    return sim.rtl.compile([folder / "top.v", folder / "cells.v"], "top", ports, optimize="-O0")


def run(model, x):
    """Bits of ``y`` for each ``x``, (steps, outputs)."""
    words = model.run({"x": x})["y"].reshape(len(x), -1)
    return np.unpackbits(words.view(np.uint8), axis=1, bitorder="little").astype(bool)


@pytest.mark.parametrize("name", NAMES)
def test_gates_have_their_truth_tables(name, tmp_path):
    library = read(LIBRARIES[name])
    cells = [cell for cell in library.cells.values() if has_model(cell) and not cell.flip_flop]
    width = max(len(pins(cell, "input")) for cell in cells)
    got = run(compiled(library, cells, width, tmp_path), np.arange(1 << width, dtype=np.uint64))
    place = compared = 0
    for cell in cells:
        names = pins(cell, "input")
        for pin in cell.pins_of("output"):
            for x in range(1 << len(names)):
                values = {n: x >> bit & 1 for bit, n in enumerate(names)}
                assert got[x, place] == rewritten(pin.function, values), (cell.name, pin, values)
                compared += 1
            place += 1
    assert compared == (
        2 * 2 + 3 * 4 + 16 + 2 * 4 + 2
        if name == TINY.name
        else sum(len(pins(c, "output")) << len(pins(c, "input")) for c in cells)
    )
    assert len(cells) >= 8


def walk(cell):
    """Inputs of a flip-flop, of which one changes at a time; clear and preset are never both on."""
    ff, rng = cell.flip_flop, np.random.default_rng(0)
    rows = [dict.fromkeys(pins(cell, "input"), 0)]
    while len(rows) < STEPS:
        row = dict(rows[-1])
        row[rng.choice(sorted(row))] ^= 1
        if not (ff.clear and ff.preset and rewritten(ff.clear, row) and rewritten(ff.preset, row)):
            rows.append(row)
    return rows


@pytest.mark.parametrize("name", NAMES)
def test_flip_flops_step_as_described(name, tmp_path):
    library = read(LIBRARIES[name])
    cells = [cell for cell in library.cells.values() if has_model(cell) and cell.flip_flop]
    width = max(len(pins(cell, "input")) for cell in cells)
    place = compared = 0
    for cell in cells:
        names, rows = pins(cell, "input"), walk(cell)
        x = np.array([sum(row[n] << bit for bit, n in enumerate(names)) for row in rows])
        got = run(compiled(library, cells, width, tmp_path), x)
        for pin in cell.pins_of("output"):
            for step, state in enumerate(stepped(cell, rows)):
                if state is not None:
                    values = {cell.flip_flop.state: state, cell.flip_flop.inverse: 1 - state}
                    assert got[step, place] == rewritten(pin.function, values), (cell, step)
                    compared += 1
            place += 1
    assert compared > 0.8 * STEPS * place > 0


def stepped(cell, rows):
    """State after each row of inputs, None while unknown."""
    ff, state, states = cell.flip_flop, None, [None]
    for before, row in itertools.pairwise(rows):
        if rewritten(ff.clock, row) and not rewritten(ff.clock, before):
            possible = {
                rewritten(ff.next_state, row | {ff.state: old, ff.inverse: 1 - old})
                for old in ((0, 1) if state is None else (state,))
            }
            state = int(possible.pop()) if len(possible) == 1 else None
        for text, value in ((ff.clear, 0), (ff.preset, 1)):
            # A control that is on from the start has had no edge yet.
            if text and rewritten(text, row) and (state is not None or not rewritten(text, before)):
                state = value
        states.append(state)
    return states


def test_cells_without_a_model_are_left_out():
    library = read([TINY])
    left = {name for name, cell in library.cells.items() if not has_model(cell)}
    assert left == {"LATCH", "TRI", "FILL"}
    assert set(re.findall(r"^module (\w+)", models(library), re.MULTILINE)) == (
        set(library.cells) - left
    )
    assert re.findall(r"^module (\w+)", models(library, ["XOR2", "INV", "INV"]), re.MULTILINE) == [
        "INV",
        "XOR2",
    ]
    assert {pin: f.variables for pin, f in outputs(library.cells["HA"]).items()} == {
        "CO": {"A", "B"},
        "S": {"A", "B"},
    }


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("AND9", "Cell must be in the library tiny, not 'AND9'"),
        (
            "LATCH",
            ("Cell must be gates or a flip-flop with functions in the Liberty file, not 'LATCH'"),
        ),
    ],
)
def test_cell_wrong(name, message):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        models(read([TINY]), [name])


@pytest.mark.parametrize("text", ["", "A +", "(A", "A)", "A ** B", "A % B", "!", "'A", "2"])
def test_function_wrong(text):
    message = f"Liberty function must be a Boolean expression, not {text!r}"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        read_function(text)


@pytest.mark.parametrize(
    "text",
    [
        "A",
        "!A'",
        "A^B C",
        "A B^C",
        "A+B^C",
        "A^B+C",
        "A|B&C",
        "(A B)'C",
        "!(A+B)'",
        "A''",
        "A !B C'",
        "A(B+C)",
        "(A)(B)",
        "1 A",
        "A + 0",
        "A^B^C",
        "!A^!B",
    ],
)
def test_function_evaluates_as_rewritten(text):
    function = read_function(text)
    for bits in itertools.product((False, True), repeat=3):
        values = dict(zip("ABC", bits, strict=True))
        assert bool(function.evaluate(values)) == rewritten(text, values), (text, values)

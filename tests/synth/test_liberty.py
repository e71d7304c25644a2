# SPDX-License-Identifier: Apache-2.0
"""Liberty files: units, pins, functions and states of a small library, and invalid files."""

import gzip
import hashlib
import re
from pathlib import Path

import pytest

from hw.spec import SpecError
from synth.flow.liberty import FlipFlop, read

SMALL = Path(__file__).parents[1] / "data" / "small.lib"
TEXT = SMALL.read_text()
CELLS = {"INV": 2, "BUF": 3, "NAND2": 4, "NOR2": 4, "XOR2": 8, "AND2": 1, "DFF": 16}


def test_library_has_its_cells_in_si_units():
    library = read([SMALL])
    assert (library.name, library.corner, library.voltage, library.temperature) == (
        "small",
        "typical",
        1.5,
        25.0,
    )
    assert {name: cell.area for name, cell in library.cells.items()} == CELLS
    assert [name for name, cell in library.cells.items() if cell.dont_use] == ["AND2"]
    nand = library.cells["NAND2"]
    assert nand.leakage == pytest.approx(2e-9)
    assert [(pin.name, pin.direction, pin.function) for pin in nand.pins] == [
        ("A", "input", None),
        ("B", "input", None),
        ("Y", "output", "!(A & B)"),
    ]
    assert [pin.capacitance for pin in nand.pins_of("input")] == pytest.approx([0.02e-12] * 2)
    assert library.cells["DFF"].flip_flop == FlipFlop("IQ", "IQN", "CK", "D", None, None)
    digest = hashlib.sha256(SMALL.read_bytes()).hexdigest()
    assert library.to_json() == {
        "name": "small",
        "corner": "typical",
        "voltage": 1.5,
        "temperature": 25.0,
        "sha256": {"small.lib": digest},
        "normalised_sha256": {
            "small.lib": hashlib.sha256(library.texts["small.lib"].encode()).hexdigest()
        },
        "dont_use": [],
    }


def test_library_excludes_cells_that_are_not_for_logic(tmp_path):
    file = tmp_path / "sky.lib"
    file.write_text(
        TEXT.replace("library (small)", "library (sky130_fd_sc_hd__tt)").replace(
            "cell (NOR2)", "cell (sky130_fd_sc_hd__lpflow_isobufsrc_1)"
        )
    )
    library = read([file])
    assert library.dont_use == ("*__lpflow_*", "*__probe*")
    assert [name for name, cell in library.cells.items() if cell.dont_use] == [
        "sky130_fd_sc_hd__lpflow_isobufsrc_1",
        "AND2",
    ]


def test_library_of_several_files_is_one(tmp_path):
    start, head = TEXT.index("  cell (INV)"), TEXT[: TEXT.index("  cell (INV)")]
    middle = TEXT.index("  cell (DFF)")
    (tmp_path / "gates.lib.gz").write_bytes(gzip.compress((TEXT[:middle] + "}").encode()))
    (tmp_path / "registers.lib").write_text(head + TEXT[middle:])
    library = read([tmp_path / "gates.lib.gz", tmp_path / "registers.lib"])
    assert start < middle
    assert library.cells == read([SMALL]).cells
    assert list(library.texts) == ["gates.lib", "registers.lib"]
    assert (
        library.sha256["gates.lib.gz"]
        == hashlib.sha256((tmp_path / "gates.lib.gz").read_bytes()).hexdigest()
    )


@pytest.mark.parametrize(
    ("unit", "farad"),
    [("(1, pf)", 0.02e-12), ("(1, ff)", 0.02e-15), ('(1.0,"ff")', 0.02e-15), ("(10, ff)", 0.2e-15)],
)
def test_library_capacitances_have_the_unit_of_the_file(tmp_path, unit, farad):
    file = tmp_path / "x.lib"
    file.write_text(TEXT.replace("capacitive_load_unit (1, pf)", f"capacitive_load_unit {unit}"))
    assert read([file]).cells["INV"].pins[0].capacitance == pytest.approx(farad)


def wrong_files(folder):
    """Bad arguments of `read`, and its messages."""
    whole = gzip.compress(TEXT.encode())
    no_register = TEXT.replace("ff (IQ, IQN)", "latch (IQ, IQN)")
    contents = {
        "cut.lib.gz": whole[:200],
        "cut.lib": TEXT[:3000].encode(),
        "binary.lib": b"\xff\xfe\x00",
        "empty.lib": b"",
        "word.lib": b"hello there",
        "verilog.lib": b"module x(); endmodule",
        "none.lib": no_register.encode(),
        "again.lib": TEXT.encode(),
        "hot.lib": TEXT.replace("nom_temperature : 25", "nom_temperature : 90").encode(),
        "unit.lib": TEXT.replace("(1, pf)", "(1, zf)").encode(),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    text = "Liberty file must be text or gzipped text, not {!r}"
    liberty = "Liberty file {!r}, line 1: the file must begin with the group library"
    said = {
        "cut.lib.gz": text,
        "binary.lib": text,
        "cut.lib": "Liberty file {!r}, line 49: the group timing does not end",
        "empty.lib": liberty,
        "word.lib": liberty,
        "verilog.lib": liberty,
        "unit.lib": (
            "Liberty file {!r}, line 6: capacitive_load_unit must be a unit such as 1pf, not '1zf'"
        ),
        "missing.lib": "Liberty file must be a readable file, not {!r}",
        "none.lib": "The Liberty library 'small' has no flip-flop",
    }
    for name, message in said.items():
        yield [folder / name], message.format(str(folder / name))
    yield (
        [SMALL, folder / "hot.lib"],
        "Liberty corner of hot.lib must be that of small, typical, not 'typical'",
    )
    again = folder / "again.lib"
    yield [SMALL, again], f"Liberty file {str(again)!r} defines the cell 'INV' again"
    yield [SMALL, SMALL], "Two Liberty files have the name 'small.lib': rename one of them"
    yield [], "There must be at least one Liberty file"


def test_library_wrong(tmp_path):
    tried = 0
    for files, message in wrong_files(tmp_path):
        with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
            read(files)
        tried += 1
    assert tried == 13

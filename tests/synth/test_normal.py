# SPDX-License-Identifier: Apache-2.0
"""What people write in Liberty files: leakage and syntax, against OpenSTA and figures by hand.

OpenSTA reads the file itself where it can, and else what we write for all tools. Its version here
ignores conditions of leakage and sums all values, so it is asked for one state of the inputs at a
time.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hw.spec import SpecError
from synth.flow.groups import parse, write
from synth.flow.liberty import read
from synth.flow.mapping import map_to_cells
from synth.power.tables import read_tables

SMALL = Path(__file__).parents[1] / "data" / "small.lib"
TEXT = SMALL.read_text()
STATED = "area : 2; cell_leakage_power : 1;"
INVERT = """function : "A'";"""
VALUES = 'values ("0.1, 1.1", "0.1, 1.1")'
CLOCKED = 'clocked_on : "CK";'
NOMINAL = "nom_voltage : 1.5; nom_temperature : 25; nom_process : 1;"
HEAD = "  delay_model : table_lookup;"

needs_sta = pytest.mark.skipif(shutil.which("sta") is None, reason="OpenSTA is not installed")

#: Netlist and script whose report has a delay and the leakage of one inverter.
NETLIST = "module top(input a, output y);\n  INV u(.A(a), .Y(y));\nendmodule\n"
SCRIPT = """
read_liberty cells.lib
read_verilog top.v
link_design top
set_load 0.3 [get_ports y]
report_checks -unconstrained -digits 5
report_power -digits 6
"""


def changed(*pairs: tuple[str, str], text: str = TEXT) -> str:
    """``text`` with each first of a pair replaced by the second."""
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


def leaking(*values: tuple[float, str, str]) -> str:
    """The library whose inverter has a leakage for each condition and rail, "" for none."""
    groups = [
        "leakage_power () { "
        + (f'when : "{when}"; ' if when else "")
        + f"value : {value}; "
        + (f"related_pg_pin : {rail}; " if rail else "")
        + "}"
        for value, when, rail in values
    ]
    return changed((STATED, f"area : 2; {' '.join(groups)}"))


def library_of(folder: Path, text: str | bytes):
    """The library of a text."""
    file = folder / "user.lib"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read([file])


def sta(folder: Path, text: str | bytes) -> tuple[float, float]:
    """Leakage in nW and delay in ns of the inverter, by OpenSTA, which must not complain."""
    (folder / "cells.lib").write_bytes(text if isinstance(text, bytes) else text.encode())
    (folder / "top.v").write_text(NETLIST)
    (folder / "run.tcl").write_text(SCRIPT)
    done = subprocess.run(
        ["sta", "-no_splash", "-exit", "run.tcl"],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
    )
    told = re.findall(r"^(?:Warning|Error).*$", done.stdout, re.MULTILINE)
    assert [line for line in told if "default_operating_condition" not in line] == []
    power = re.search(r"^Total +(?:\S+ +){2}(\S+)", done.stdout, re.MULTILINE)
    delay = re.search(r"(\S+) +\S+ [\^v] u/Y", done.stdout)
    assert power
    assert delay
    return float(power[1]) * 1e9, float(delay[1])


#: Values of the inverter's leakage with condition and rail, and the leakage in nW by hand.
BY_STATE = {
    "a rail by state, the other without": (
        [(8, "A", "VDD"), (4, "!A", "VDD"), (0, "", "VSS")],
        6,
    ),
    "two rails by state": (
        [(1, "A", "VDD"), (3, "!A", "VDD"), (5, "A", "VPW"), (5, "!A", "VPW")],
        7,
    ),
    "a rail by state, another with a value": (
        [(1, "A", "VDD"), (3, "!A", "VDD"), (4, "", "VPW")],
        6,
    ),
    "no rails": ([(2, "A", ""), (4, "!A", "")], 3),
    "output in the condition": ([(2, "A * !Y", "VDD"), (5, "!A * Y", "VDD")], 3.5),
}
#: Conditions that hold while the input is 0, and 1.
HOLD = (("", "!A", "!A * Y"), ("", "A", "A * !Y"))


@needs_sta
@pytest.mark.parametrize("name", BY_STATE)
def test_leakage_by_rail_and_state(tmp_path, name):
    values, nanowatt = BY_STATE[name]
    library = library_of(tmp_path, leaking(*values))
    assert library.cells["INV"].leakage == pytest.approx(nanowatt * 1e-9, rel=1e-12)
    one_state = [
        sta(tmp_path, leaking(*((value, "", rail) for value, when, rail in values if when in hold)))
        for hold in HOLD
    ]
    assert sum(leakage for leakage, _ in one_state) / 2 == pytest.approx(nanowatt, rel=1e-6)
    # From what we write, OpenSTA reads the same in one step.
    assert sta(tmp_path, library.texts["user.lib"])[0] == pytest.approx(nanowatt, rel=1e-6)


#: Other ways to state the leakage, the figure in nW by hand, and whether OpenSTA knows them.
STATED_OTHERWISE = {
    "unit of 10 nW": (changed(('"1nW"', '"10nW"')), 10, True),
    "unit without a number": (changed(('"1nW"', '"uW"')), 1000, False),
    "no unit": (changed(('leakage_power_unit : "1nW";', "")), 1, False),
    "default of the library": (
        changed((STATED, "area : 2;"), (HEAD, f"{HEAD} default_cell_leakage_power : 0.5;")),
        0.5,
        False,
    ),
    "density of the library": (
        changed((STATED, "area : 2;"), (HEAD, f"{HEAD} default_leakage_power_density : 0.2;")),
        0.4,
        False,
    ),
    "stated wins over the default": (
        changed((HEAD, f"{HEAD} default_cell_leakage_power : 0.5;")),
        1,
        True,
    ),
    "negative means missing": (
        changed(
            (STATED, "area : 2; cell_leakage_power : -1;"),
            (HEAD, f"{HEAD} default_cell_leakage_power : 0.5;"),
        ),
        0.5,
        False,
    ),
    "value without a condition wins": (leaking((2, "A", "VDD"), (9, "", "VDD")), 9, False),
    "quoted": (changed((STATED, 'area : "2"; cell_leakage_power : "1.5";')), 1.5, True),
}


@needs_sta
@pytest.mark.parametrize("name", STATED_OTHERWISE)
def test_leakage_stated_otherwise(tmp_path, name):
    text, nanowatt, is_known = STATED_OTHERWISE[name]
    library = library_of(tmp_path, text)
    assert library.cells["INV"].leakage == pytest.approx(nanowatt * 1e-9, rel=1e-12)
    if is_known:
        assert sta(tmp_path, text)[0] == pytest.approx(nanowatt, rel=1e-6)
    assert sta(tmp_path, library.texts["user.lib"])[0] == pytest.approx(nanowatt, rel=1e-6)


def test_leakage_counts_the_states_of_a_condition(tmp_path):
    """A condition that holds in three of four states counts three times."""
    text = changed(
        (
            "area : 4; cell_leakage_power : 2;",
            (
                'area : 4; leakage_power () { when : "A * B"; value : 1; } '
                'leakage_power () { when : "(A B)\'"; value : 3; }'
            ),
        )
    )
    cells = library_of(tmp_path, text).cells
    assert cells["NAND2"].leakage == cells["NOR2"].leakage == pytest.approx(2.5e-9, rel=1e-12)


#: The same library written in other ways.
WRITTEN = {
    "parentheses": changed((CLOCKED, "clocked_on : (CK);"), (INVERT, "function : (!A);")),
    "three inversions": changed((INVERT, 'function : "!!!A";')),
    "no quotation marks": changed(
        (CLOCKED, "clocked_on : CK;"), (INVERT, "function : A';"), ('"(A B)\'"', "(A B)'")
    ),
    "comment in a value": changed((INVERT, 'function : /* not */ "A\'" /* ; */ ;')),
    "several lines": changed((INVERT, "function : (\n  !A\n);"), ("area : 2", "area : \\\n 2")),
    "no semicolons": changed((INVERT, 'function : "A\'"\n'), (CLOCKED, 'clocked_on : "CK"\n')),
    "byte order mark": b"\xef\xbb\xbf" + TEXT.encode(),
    "Latin-1": changed(("Written for tests", "F\u00fcr Tests")).encode("latin-1"),
    "UTF-16": TEXT.encode("utf-16"),
    "Windows": TEXT.replace("\n", "\r\n").encode(),
    "tables in one row": changed((VALUES, 'values ("0.1, 1.1, 0.1, 1.1")')),
    "tables without quotation marks": changed((VALUES, "values (0.1, 1.1, 0.1, 1.1)")),
    "tables on several lines": changed((VALUES, 'values ( \\\n  "0.1, 1.1", \\\n  "0.1, 1.1" )')),
    "names in quotation marks": changed(("cell (INV)", 'cell ("INV")'), ("pin (A)", 'pin ("A")')),
    "pins together": changed(
        (
            (
                "pin (A) { direction : input; capacitance : 0.02; }\n"
                "    pin (B) { direction : input; capacitance : 0.02; }"
            ),
            "pin (A, B) { direction : input; capacitance : 0.02; }",
        )
    ),
    "one state": changed(("ff (IQ, IQN)", "ff (IQ)")),
    "braces on their own lines": changed((" {", "\n{"), (" }", "\n}")),
}
DESIGN = """module top(input clk, a, b, output reg q, output y);
  assign y = ~(a & b);
  always @(posedge clk) q <= ~a;
endmodule
"""


@needs_sta
@pytest.mark.synth
@pytest.mark.parametrize("name", WRITTEN)
def test_library_written_otherwise_is_the_same(tmp_path, name):
    """Yosys, ABC, OpenSTA and we read the same cells from every spelling."""
    usual, library = library_of(tmp_path, TEXT), library_of(tmp_path, WRITTEN[name])
    state = {"IQN": "IQ_inverted"} if name == "one state" else {}
    texts = library.texts["user.lib"]
    for old, new in state.items():
        texts = texts.replace(new, old)
    assert texts == usual.texts["user.lib"]
    assert library.sha256 != usual.sha256
    if not state:
        assert library.cells == usual.cells
        assert read_tables(library, library.cells) == read_tables(usual, usual.cells)
    assert sta(tmp_path, library.texts["user.lib"]) == sta(tmp_path, TEXT)
    mapped = map_to_cells({"top.v": DESIGN}, "top", library, "default")
    assert mapped.cells == {"DFF": 1, "INV": 1, "NAND2": 1}
    assert mapped.area_um2 == 22


def test_normal_form_is_stable():
    """What is written once is written the same the second time."""
    text = write(parse(TEXT))
    assert write(parse(text)) == text
    assert "/*" not in text
    assert all(re.fullmatch(r" *([^{};]+;|[^{};]+ \{|\})", line) for line in text.splitlines())


@pytest.mark.parametrize(
    ("change", "voltage", "temperature"),
    [
        ((NOMINAL, ""), 1.5, 25.0),
        ((NOMINAL, "nom_temperature : 85;"), 1.5, 85.0),
        ((f"{NOMINAL}\n  default_operating_conditions : typical;", ""), None, None),
        (
            (
                f"{NOMINAL}\n  default_operating_conditions : typical;",
                "voltage_map (VDD, 1.2); voltage_map (VSS, 0);",
            ),
            1.2,
            None,
        ),
    ],
)
def test_conditions_without_nominal_ones(tmp_path, change, voltage, temperature):
    library = library_of(tmp_path, changed(change))
    assert (library.voltage, library.temperature) == (voltage, temperature)
    assert library.cells == read([SMALL]).cells
    if voltage is None:
        message = "The Liberty library 'small' gives no voltage: add nom_voltage"
        with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
            _ = library.supply


#: Files that are wrong: the line, and what is said.
WRONG = {
    "function": (changed((INVERT, 'function : "A +";')), 24, ("function must be a Boolean "
                 "expression, not 'A +'")),
    "pin of a function": (changed((INVERT, 'function : "!Q";')), 24, ("function must name pins of "
                          "the cell INV, not Q")),
    "semicolon": (changed((INVERT, "function : A' ")), 24, ("the value of function does not end: a "
                  "semicolon is missing")),
    "quotation mark": (changed((INVERT, "function : \"A';")), 24, ("a quotation mark in the value "
                       "of function does not close")),
    "parenthesis": (changed((INVERT, "function : (A';")), 24, ("a parenthesis in the value of "
                    "function does not close")),
    "brace too much": (changed(("  cell (BUF)", "} cell (BUF)")), 31, ("the group library ends "
                       "before this: a brace is too much")),
    "areas": (re.sub(r"area : \d+;", "", TEXT), 22, "cells must have areas, and none has one"),
    "area": (changed((STATED, "area : two;")), 22, "area must be a number, not 'two'"),
    "area below 0": (changed((STATED, "area : -2;")), 22, "area must be at least 0, not -2"),
    "not a number": (changed((STATED, "area : nan;")), 22, "area must be a number, not 'nan'"),
    "leakage": (changed((STATED, "area : 2; leakage_power () { }")), 22, ("leakage_power must have "
                "a value")),
    "unit": (changed(('"1nW"', '"1zW"')), 5, ("leakage_power_unit must be a unit such as 1nW, not "
             "'1zW'")),
    "table": (changed((VALUES, 'values ("0.1, x", "0.1, 1.1")')), 26, ("values of cell_rise must "
              "list numbers")),
    "table without values": (changed((VALUES, "")), 26, "cell_rise must have values"),
    "table of another size": (changed((VALUES, 'values ("0.1, 1.1", "0.1")')), 26, ("values of "
                              "cell_rise must be 2 x 2 numbers, not 3")),
    "template": (changed(("cell_rise (arc)", "cell_rise (bow)")), 26, ("the library must have the "
                 "template bow of cell_rise")),
    "clock": (changed((CLOCKED, "")), 101, "ff must have clocked_on"),
    "include": (changed(("  cell (BUF)", '  include_file ("x.lib"); cell (BUF)')), 31,
                "include_file must be replaced by the file"),
    "nested": ("library (x) {" + "a () {" * 5000, 1, "groups are nested more than 40 deep"),
    "name": ("library () { }", 1, "library must have a name"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_library_names_file_and_line(tmp_path, name):
    text, line, cause = WRONG[name]
    message = f"Liberty file {str(tmp_path / 'user.lib')!r}, line {line}: {cause}"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        library_of(tmp_path, text)

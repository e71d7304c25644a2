# SPDX-License-Identifier: Apache-2.0
"""Generated designs beside each other: no name twice, and no message from three lint checks."""

import re
import subprocess
from pathlib import Path

import pytest
from pyslang.driver import Driver

from hw.build import build, generate, verilog, verilog_file
from hw.spec import SpecError, parse_spec
from hw.spec.identifiers import RESERVED
from hw.version import VERSION
from sim.rtl.build import find_verilator

#: Units of every kind, some of which have blocks in common.
SPECS = [
    parse_spec(text)
    for text in (
        "int8",
        "e4m3,acc=fp32,lanes=4",
        "e4m3xe5m2,lanes=2,adder=carry-save",
        "e5m2xe4m3,acc=aligned:13,lanes=3,pipeline=1",
        "int8,from=fp32,scale=fp32,zero_point=yes",
        "e4m3,array=4x4",
        "e4m3,array=4x3",
        "int8,acc=int32,array=4x3,dataflow=ws,depth=8,out=int8,scale=pow2",
        "e4m3,acc=fp32,array=2x4,dataflow=ws,depth=8",
        "int8,acc=int32,array=4x4,depths=16x16x16,bus=wishbone",
        "e4m3,array=2x3,dataflow=ws,depth=8,depths=16x16x16,bus=axi4lite",
        "int8,acc=int32,array=2x2,depths=16x16x16,bus=wishbone,clock=12000000,baud=115200",
    )
]
_MODULE = re.compile(r"^module (\S+?)\(", re.MULTILINE)
_TOP = "project"


def modules(text):
    """Names of the modules of a Verilog text."""
    return _MODULE.findall(text)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Verilog file of each design, and last a module that places all of them, by path."""
    folder = tmp_path_factory.mktemp("project")
    texts = {}
    ports, places = ["clk", "rst"], []
    declared = ["  input clk;", "  input rst;"]
    for number, spec in enumerate(SPECS):
        pins, built = [], build(spec)
        texts[spec.name] = verilog_file(spec, built)
        for port in built.ports:
            wire = port.name if port.name in ("clk", "rst") else f"u{number}_{port.name}"
            pins.append(f".{port.name}({wire})")
            if wire != port.name:
                ports.append(wire)
                width = f"[{port.width - 1}:0] " if port.width > 1 else ""
                declared.append(f"  {port.direction} {width}{wire};")
        places.append(f"  {spec.name} u{number} ({', '.join(pins)});")
    texts[_TOP] = "\n".join(
        [f"module {_TOP}({', '.join(ports)});", *declared, *places, "endmodule", ""]
    )
    for name, text in texts.items():
        (folder / f"{name}.v").write_text(text)
    return {folder / f"{name}.v": text for name, text in texts.items()}


def test_no_module_is_defined_twice(files):
    designs = [modules(text) for path, text in files.items() if path.stem != _TOP]
    names = [name for design in designs for name in design]
    assert len(designs) == len(SPECS) == 12
    assert len(names) == len(set(names)) == 139
    for spec, design in zip(SPECS, designs, strict=True):
        assert design[0] == spec.name
        assert all(name.startswith(f"{spec.name}_") for name in design[1:])


def test_names_of_nets_are_plain(files):
    """No name needs to be escaped, and none is the number of an expression."""
    checked = 0
    for path, text in files.items():
        assert "\\" not in text, path.name
        for name in re.findall(r"^  (?:wire|reg) (?:\[[\d:]+\] )?(\w+)", text, re.MULTILINE):
            assert name not in RESERVED, (path.name, name)
            assert not re.fullmatch(r"signal_?\d*", name), (path.name, name)
            checked += 1
    assert checked > 10_000


def _lines(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, (done.stdout + done.stderr).splitlines()


def test_verilator_has_no_message(files):
    verilator = find_verilator()
    assert _lines(
        "env",
        f"VERILATOR_ROOT={verilator.root}",
        verilator.program,
        *("--lint-only", "-Wall", "--quiet", "--top-module", _TOP),
        *files,
    ) == (0, [])


def test_icarus_has_no_message(files, tmp_path):
    out = tmp_path / "project.vvp"
    assert _lines("iverilog", "-g2001", "-Wall", "-s", _TOP, "-o", out, *files) == (0, [])
    assert out.stat().st_size


def _slang(files, capfd):
    """Whether slang accepts ``files``, and what it prints with all its warnings."""
    driver = Driver()
    driver.addStandardArgs()
    assert driver.parseCommandLine(f"slang -Weverything --top {_TOP} {' '.join(map(str, files))}")
    done = driver.processOptions() and driver.parseAllSources()
    compilation = driver.createCompilation()
    driver.reportCompilation(compilation, True)
    driver.runAnalysis(compilation)
    done = driver.reportDiagnostics(True) and done
    return done, [line for line in "".join(capfd.readouterr()).splitlines() if line]


def test_slang_has_no_message(files, capfd):
    assert _slang(files, capfd) == (True, [])


def test_checks_find_what_is_wrong(files, tmp_path, capfd):
    """A bit that nothing reads, and a module that is defined twice."""
    path = next(path for path in files if path.stem == SPECS[0].name)
    text = files[path].replace("endmodule", "  wire [1:0] idle = i_a[1:0];\nendmodule")
    changed = tmp_path / path.name
    changed.write_text(text)
    others = [other for other in files if other != path]
    verilator = find_verilator()
    command = (
        *("env", f"VERILATOR_ROOT={verilator.root}", verilator.program),
        *("--lint-only", "-Wall", "--quiet", "--top-module", _TOP),
    )
    status, lines = _lines(*command, changed, *others)
    assert status
    assert "Signal is not used: 'idle'" in lines[0]
    status, lines = _lines("iverilog", "-Wall", "-o", tmp_path / "x", *files, changed)
    assert status
    assert any("was already declared" in line for line in lines)
    assert any("idle" in line for line in _slang([changed, *others], capfd)[1])


def test_header():
    spec = parse_spec("int8")
    assert verilog(spec).splitlines()[:5] == [
        "// SPDX-License-Identifier: Apache-2.0",
        "// Multiply-accumulate unit `int8,acc=fx28`: `acc += a * b`, one step per cycle.",
        "// Spec: int8,acc=fx28",
        f"// Generator: bytemac {VERSION}",
        "",
    ]


@pytest.mark.parametrize("spec", [SPECS[0], SPECS[7], SPECS[9]], ids=str)
def test_prefix_names_modules_and_files(spec, tmp_path):
    generate(spec, tmp_path, prefix="my_unit")
    names = {path.name for path in tmp_path.iterdir()}
    assert {"my_unit.v", "my_unit.json"} < names
    assert all(name.startswith("my_unit") for name in names)
    for path in tmp_path.iterdir():
        assert spec.name not in path.read_text(), path.name
    own, usual = modules((tmp_path / "my_unit.v").read_text()), modules(verilog(spec))
    assert own == [f"my_unit{name.removeprefix(spec.name)}" for name in usual]
    built = build(spec, prefix="my_unit")
    assert built.verilog() in (tmp_path / "my_unit.v").read_text()
    assert built.name == "my_unit"
    assert built.element == ("my_unit_pe" if spec is SPECS[7] else "my_unit")


@pytest.mark.parametrize("prefix", ["", "1st", "a-b", "a b", "_a", "é", "a" * 201, "../up"])
def test_wrong_prefix(prefix, tmp_path):
    message = (
        "Prefix must be a letter, then letters, digits and underscores, at most 200 in all, "
        f"not {prefix!r}"
    )
    with pytest.raises(SpecError) as error:
        generate(SPECS[0], tmp_path, prefix=prefix)
    if len(prefix) < 200:
        assert str(error.value) == message
    assert not list(tmp_path.iterdir())


def test_reserved_prefix(tmp_path):
    message = "Prefix must be a name that SystemVerilog does not reserve, not 'module'"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        generate(SPECS[0], tmp_path, prefix="module")
    assert not list(tmp_path.iterdir())

# SPDX-License-Identifier: Apache-2.0
"""The order of imports, and rules for files; each check is proven on a violation."""

from pathlib import Path

import pytest

from tests.support.layering import ROOMS, SPDX, findings, sources

ROOT = Path(__file__).resolve().parents[1]

#: A small project without violations.
HOUSE = {
    "hw/__init__.py": "from hw import manners as manners\nfrom hw.spec import startup as startup",
    "hw/manners.py": "import signal",
    "hw/progress.py": "import rich\nfrom hw import manners",
    "hw/spec/startup.py": "import sys",
    "hw/spec/__init__.py": "from hw.spec.formats import Format\n__all__ = ['Format']",
    "hw/spec/formats.py": "from hw import manners\nfrom re import match\nclass Format: ...",
    "hw/mac.py": "from amaranth.hdl import *\nfrom hw.spec import Format\nfrom . import spec",
    "hw/selftest.py": "import sim",
    "hw/host/driver.py": "import serial\nfrom hw.spec import Format",
    "sim/__init__.py": "import hw.manners, hw.progress, numpy\nfrom hw.spec.formats import Format",
    "sim/fast.py": "if 1:\n    f, g = 1, 2\nelse:\n    import x as h\n__all__ = ['f', 'g', 'h']",
    "synth/flow/gates.py": "import sim\nfrom hw.mac import Mac",
    "reports/render.py": "import jinja2\nfrom hw.spec import Format\nimport hw.emit.files",
    "reports/studies/speed/measure.py": "import sim\nfrom synth.flow.gates import f",
    "reports/studies/speed/page.py": "from reports.render import f",
    "bytemac/__init__.py": "import hw.mac, sim, synth.flow.gates, reports.render",
    "tests/test_mac.py": "import hw.mac, sim, synth.flow.gates, reports.render, bytemac",
}

#: A violation: file, its text, and the one finding that it must cause.
BREACHES = [
    ("hw/spec/x.py", "import numpy", ":2: hw.spec.x must not import numpy"),
    ("hw/spec/x.py", "from hw.mac import Mac", ":2: hw.spec.x must not import hw.mac"),
    ("hw/spec/x.py", "from .. import mac", ":2: hw.spec.x must not import hw.mac"),
    ("hw/manners.py", "import numpy", ":2: hw.manners must not import numpy"),
    ("hw/manners.py", "import hw.spec", ":2: hw.manners must not import hw.spec"),
    ("hw/progress.py", "import hw.spec", ":2: hw.progress must not import hw.spec"),
    ("hw/progress.py", "import numpy", ":2: hw.progress must not import numpy"),
    ("hw/spec/x.py", "import hw.progress", ":2: hw.spec.x must not import hw.progress"),
    ("hw/__init__.py", "import hw.mac", ":2: hw must not import hw.mac"),
    ("hw/x.py", "import sim", ":2: hw.x must not import sim"),
    ("hw/x.py", "def f():\n    from sim import dot", ":3: hw.x must not import sim"),
    ("hw/x.py", "import synth.flow.gates", ":2: hw.x must not import synth.flow.gates"),
    ("hw/x.py", "from tests import y", ":2: hw.x must not import tests"),
    ("hw/arith/selftest.py", "import sim", ":2: hw.arith.selftest must not import sim"),
    ("hw/host/x.py", "from amaranth import Module", ":2: hw.host.x must not import amaranth"),
    ("hw/host/x.py", "import hw.mac", ":2: hw.host.x must not import hw.mac"),
    ("sim/x.py", "import amaranth.sim", ":2: sim.x must not import amaranth.sim"),
    ("sim/x.py", "import hw.mac", ":2: sim.x must not import hw.mac"),
    ("sim/x.py", "from hw import mac", ":2: sim.x must not import hw.mac"),
    ("sim/x.py", "import hw", ":2: sim.x must not import hw"),
    ("sim/x.py", "import hw.specious", ":2: sim.x must not import hw.specious"),
    (
        "sim/x.py",
        "from importlib import import_module\nimport_module('hw.mac')",
        ":3: sim.x must not import hw.mac",
    ),
    (
        "sim/x.py",
        "import importlib\nimportlib.import_module('hw' + '.mac')",
        ":3: sim.x must not import tests.<computed name>",
    ),
    ("sim/x.py", "__import__('amaranth')", ":2: sim.x must not import amaranth"),
    ("synth/x.py", "import reports.render", ":2: synth.x must not import reports.render"),
    ("hw/x.py", "import bytemac", ":2: hw.x must not import bytemac"),
    ("reports/x.py", "import bytemac", ":2: reports.x must not import bytemac"),
    ("reports/x.py", "import sim", ":2: reports.x must not import sim"),
    (
        "reports/x.py",
        "from synth.flow.gates import f",
        ":2: reports.x must not import synth.flow.gates",
    ),
    ("reports/x.py", "import hw.emit.verilog", ":2: reports.x must not import hw.emit.verilog"),
    ("reports/x.py", "import pyosys", ":2: reports.x must not import pyosys"),
    (
        "sim/x.py",
        "from numpy import *\n__all__ = ['array']",
        ": __all__ must name what exists, not array",
    ),
    (
        "sim/x.py",
        "def f():\n    g = 1\n__all__ = ['f', 'g']",
        ": __all__ must name what exists, not g",
    ),
    ("tests/x.py", "f = 1\n__all__ = ['f' 'g', 'f']", ": __all__ must name what exists, not fg"),
    ("synth/utils.py", "", ": must have a name that says what is inside, not utils"),
    ("hw/common/x.py", "", ": must have a name that says what is inside, not common"),
    ("reports/studies/x/page.py", "import sim", ":2: reports.studies.x.page must not import sim"),
    (
        "reports/studies/x/page_y.py",
        "import numpy",
        ":2: reports.studies.x.page_y must not import numpy",
    ),
]


def build(root: Path, house: dict[str, str]) -> None:
    """Write the files of the project ``house``, each with the licence line."""
    for name, text in house.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{SPDX}\n{text}")


#: Circular imports: files, and the finding that they must cause.
CIRCLES = [
    (
        {"sim/a.py": "import sim.b", "sim/b.py": "def f():\n    import sim.a"},
        "sim: must not import in a circle: sim.a -> sim.b -> sim.a",
    ),
    (
        {
            "sim/x/a.py": "import sim.y.b",
            "sim/y/b.py": "",
            "sim/y/c.py": "from sim.x import d",
            "sim/x/d.py": "",
        },
        "sim: must not import in a circle: sim.x -> sim.y -> sim.x",
    ),
    (
        {"sim/x/__init__.py": "from sim.x.a import f", "sim/x/a.py": "from sim.x import g"},
        "sim.x: must not import in a circle: sim.x -> sim.x.a -> sim.x",
    ),
    (
        {
            "sim/a.py": "import sim.b",
            "sim/b.py": "import sim.c",
            "sim/c.py": "if TYPE_CHECKING:\n    from sim.a import f",
        },
        "sim: must not import in a circle: sim.a -> sim.b -> sim.c -> sim.a",
    ),
]


def test_project_follows_the_rules() -> None:
    """Every file of this project follows the rules, and every package was read."""
    seen = {source.module.partition(".")[0] for source in sources(ROOT)}
    assert seen == set(ROOMS)
    wrong = findings(ROOT)
    assert not wrong, "\n".join(wrong)


def test_layering_accepts_a_project_without_violations(tmp_path: Path) -> None:
    build(tmp_path, HOUSE)
    assert len(sources(tmp_path)) == len(HOUSE)
    assert findings(tmp_path) == []


@pytest.mark.parametrize(("name", "text", "finding"), BREACHES)
def test_layering_finds_a_violation(tmp_path: Path, name: str, text: str, finding: str) -> None:
    build(tmp_path, HOUSE | {name: text})
    assert [line for line in findings(tmp_path) if line.startswith(name)] == [name + finding]


@pytest.mark.parametrize("text", ["", "import re\n", f"\n{SPDX}\n", "# amaranth: x\n"])
def test_layering_finds_missing_licence(tmp_path: Path, text: str) -> None:
    build(tmp_path, HOUSE)
    (tmp_path / "sim/x.py").write_text(text)
    assert findings(tmp_path) == [f"sim/x.py: must start with {SPDX!r}"]


def test_layering_accepts_option_for_amaranth_first(tmp_path: Path) -> None:
    build(tmp_path, HOUSE)
    (tmp_path / "hw/x.py").write_text(f"# amaranth: UnusedElaboratable=no\n{SPDX}\n")
    assert findings(tmp_path) == []


@pytest.mark.parametrize(("files", "finding"), CIRCLES)
def test_layering_finds_circular_imports(
    tmp_path: Path, files: dict[str, str], finding: str
) -> None:
    build(tmp_path, HOUSE | files)
    assert findings(tmp_path) == [finding]

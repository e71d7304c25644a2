# SPDX-License-Identifier: Apache-2.0
"""The closure of imports: what belongs to it, and that every change in it changes the digest."""

import ast
from functools import partial
from pathlib import Path

import pytest

from sim import closure as module
from sim.closure import ROOT, closure, code_digest, module_of
from sim.rtl.build import compile as compile_rtl
from synth.flow.gates import count
from synth.power.energy import measure_energy

#: A small project: the closure of `app.start` contains all files except those named ``unused``.
PROJECT = {
    "app/__init__.py": "from app.unused import nothing\n",
    "app/start.py": "import json\nimport numpy as np\nfrom app.tools import load, Tool as T\n"
    "from .near import x\ndef f():\n    from app import lazy\n"
    "    import other.deep\n",
    "app/near.py": "x = 1\n",
    "app/lazy.py": "from importlib.metadata import version\nversion('pyosys')\n",
    "app/unused.py": "nothing = 1\n",
    "app/tools/__init__.py": "from app.tools.loading import load\nfrom app.tools import plain\n"
    "from app.tools.unused import unused\n"
    "from app.tools.tool import Tool\n",
    "app/tools/loading.py": "from pathlib import Path\n"
    "FILE = Path(__file__).with_name('data.toml')\ndef load(): ...\n",
    "app/tools/data.toml": "x = 1\n",
    "app/tools/tool.py": "from app.tools import plain\nclass Tool: ...\n",
    "app/tools/plain.py": "",
    "app/tools/unused.py": "unused = 1\n",
    "other/__init__.py": "from other.whole import y\n",
    "other/whole.py": "y = 1\n",
    "other/deep.py": "from app import start\n",
    "other/unused.py": "",
}


@pytest.fixture
def project(tmp_path):
    """The project in a folder."""
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_closure_is_the_code_that_can_run(project):
    found = closure(["app.start"], project)
    names = {file.relative_to(project).as_posix() for file in found.files}
    # ``import other.deep`` binds ``other``, whose names are then at hand.
    assert names == {
        "app/start.py",
        "app/near.py",
        "app/lazy.py",
        "app/tools/loading.py",
        "app/tools/data.toml",
        "app/tools/tool.py",
        "app/tools/plain.py",
        "other/__init__.py",
        "other/deep.py",
        "other/whole.py",
    }
    assert found.packages == {"numpy", "pyosys"}


@pytest.mark.parametrize("name", sorted(PROJECT))
def test_every_change_in_the_closure_shows_and_no_other(project, name):
    before = closure(["app.start"], project)
    digest = before.digest(project)
    file = project / name
    file.write_text(file.read_text() + "# changed\n")
    assert (closure(["app.start"], project).digest(project) != digest) is (file in before.files)


def test_file_that_goes_or_comes_shows(project):
    digest = closure(["app.start"], project).digest(project)
    (project / "app/tools/data.toml").unlink()
    gone = closure(["app.start"], project).digest(project)
    (project / "app/near.py").write_text("import app.unused\nx = 1\n")
    assert len({digest, gone, closure(["app.start"], project).digest(project)}) == 3
    assert project / "app/unused.py" in closure(["app.start"], project).files


def test_definition_in_a_package_brings_the_package(project):
    (project / "app/tools/__init__.py").write_text(
        "from app.tools.unused import unused\nfrom app.tools.tool import Tool\ndef load(): ...\n"
    )
    (project / "app/tools/load.py").write_text("")  # The function has priority over the module.
    assert {project / "app/tools/__init__.py", project / "app/tools/unused.py"} <= closure(
        ["app.start"], project
    ).files


def test_version_of_a_package_shows(project, monkeypatch):
    before = closure(["app.start"], project).digest(project)
    for package in ("numpy", "pyosys"):
        with monkeypatch.context() as patch:
            patch.setattr(
                module.metadata,
                "version",
                lambda name, package=package: "new" if name == package else "old",
            )
            assert closure(["app.start"], project).digest(project) != before
            patch.setattr(module.metadata, "version", lambda name: "old")
            old = closure(["app.start"], project).digest(project)
            patch.setattr(
                module.metadata, "version", lambda name: "new" if name == "scipy" else "old"
            )
            assert closure(["app.start"], project).digest(project) == old
    monkeypatch.setattr(module.platform, "python_version", lambda: "4.0")
    assert closure(["app.start"], project).digest(project) != before


@pytest.mark.parametrize(
    "text", ["from importlib import import_module\nimport_module('app.' + x)", "__import__(name)"]
)
def test_import_that_cannot_be_read_is_refused(project, text):
    (project / "app/near.py").write_text(text)
    with pytest.raises(ValueError, match=r"^Imports in app\.near must use a literal name"):
        closure(["app.start"], project)


def test_import_by_a_call_is_followed(project):
    (project / "app/near.py").write_text(
        "from importlib import import_module\nimport_module('app.unused')\n"
    )
    assert project / "app/unused.py" in closure(["app.start"], project).files


def test_function_stands_for_its_module():
    assert module_of(partial(partial(count, {}), "m")) == "synth.flow.gates"
    assert code_digest(count) == closure(["synth.flow.gates"]).digest()
    assert code_digest(count, measure_energy) == code_digest(measure_energy, count)
    assert (
        len({code_digest(count), code_digest(measure_energy), code_digest(count, measure_energy)})
        >= 2
    )


def files_of(function):
    """Files of a function's closure, below the root."""
    return {file.relative_to(ROOT).as_posix() for file in closure([module_of(function)]).files}


def test_closures_of_this_project():
    """Narrow closures are narrow, and wide ones contain what hand-written lists missed."""
    assert {
        "synth/flow/gates.py",
        "synth/flow/recipes.toml",
        "synth/flow/yosys.py",
        "hw/emit/yosys.py",
        "hw/spec/errors.py",
    } == files_of(count)
    assert "pyosys" in closure(["synth.flow.gates"]).packages
    assert {"sim/rtl/build.py", "sim/rtl/harness.cpp"} < files_of(compile_rtl)
    assert not any(name.startswith("sim/fast/") for name in files_of(compile_rtl))
    assert {
        "sim/convert.py",
        "sim/linear.py",
        "synth/power/streams.py",
        "synth/flow/cells.py",
        "synth/flow/libraries.toml",
    } < files_of(measure_energy)


def test_packages_only_reexport_names():
    """An ``__init__`` only re-exports names, so it can be left out of a closure."""
    rooms = ("hw", "sim", "synth", "reports")
    for file in (file for room in rooms for file in (ROOT / room).rglob("__init__.py")):
        body = ast.parse(file.read_text()).body
        for node in (
            inner
            for outer in body
            for inner in (outer.body if isinstance(outer, ast.If) else [outer])
        ):
            is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            assert is_text or isinstance(
                node,
                ast.Import
                | ast.ImportFrom
                | ast.FunctionDef
                | ast.ClassDef
                | ast.Assign
                | ast.AnnAssign,
            ), file


def test_data_files_are_named_with_with_name():
    """``__file__`` is used only in `with_name` and for the root of the project."""
    for file in closure(
        ["synth.sweep", "reports.studies.bench.programs", "reports.studies.networks.settings"]
    ).files:
        if file.suffix == ".py":
            tree = ast.parse(Path(file).read_text())
            uses = [
                node
                for node in ast.walk(tree)
                if isinstance(node, ast.Name) and node.id == "__file__"
            ]
            named = [
                node
                for node in ast.walk(tree)
                if isinstance(node, ast.Attribute)
                and node.attr in ("with_name", "parents")
                and "__file__" in ast.unparse(node.value)
            ]
            assert len(uses) == len(named), file

# SPDX-License-Identifier: Apache-2.0
"""Missing packages: the extra of each, and the one-line message with the command to install it."""

import re
import subprocess
import sys
import tomllib
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import pytest

from hw.spec import folders, packages
from hw.spec.packages import EXTRAS, explanation, installer, library_remedy, remedy

ROOT = folders.ROOT
#: Runs a module as ``python -m`` does, where no package but those of Python is to be found.
BARE = "-S", "-m"


def normal(requirement: str) -> str:
    """Normalised name of a distribution."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()


def test_extras_are_those_of_pyproject() -> None:
    """Every package in the table is one that its extra installs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = project["optional-dependencies"] | {"": project["dependencies"]}
    by_import = metadata.packages_distributions()
    checked = 0
    for extra, names in EXTRAS.items():
        pins = {normal(line) for line in lists[extra]}
        for pin in list(pins):  # Dependencies of the package are installed with it.
            with suppress(metadata.PackageNotFoundError):
                pins |= {normal(line) for line in metadata.requires(pin) or ()}
        for name in names:
            brought = {normal(each) for each in by_import.get(name, ())}
            assert not brought or brought & pins, (name, extra)
            checked += bool(brought)
    assert checked >= 10


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A Python outside the checkout's environment, with nothing installed."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "python"))
    monkeypatch.setattr(packages, "is_installed", lambda: False)
    monkeypatch.setattr(folders, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_remedy_in_the_environment_of_a_checkout(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / "pyproject.toml").touch()
    (elsewhere / ".venv").mkdir()
    monkeypatch.setattr(sys, "prefix", str(elsewhere / ".venv"))
    assert [remedy(extra) for extra in ("", "sim", "fast", "fpga", "networks")] == [
        "make setup",
        "make setup",
        "make fast",
        "make nextpnr",
        "make models",
    ]
    assert installer("fast") == ["make", "-C", str(elsewhere), "fast"]
    assert library_remedy() == "make library"


def test_remedy_with_another_python_in_a_checkout(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / "pyproject.toml").touch()
    assert remedy("onnx") == "make setup && . .venv/bin/activate"
    (elsewhere / ".venv/bin").mkdir(parents=True)
    (elsewhere / ".venv/bin/python").touch()
    assert remedy("onnx") == ". .venv/bin/activate"
    assert installer("onnx") is None
    monkeypatch.chdir("/")
    assert remedy("onnx") == f". {elsewhere.relative_to('/')}/.venv/bin/activate"


@pytest.mark.parametrize("has_checkout", [False, True])
def test_remedy_where_it_is_installed(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, has_checkout: bool
) -> None:
    if has_checkout:  # Installed with ``pip install -e .`` in an environment of the user.
        (elsewhere / "pyproject.toml").touch()
    monkeypatch.setattr(packages, "is_installed", lambda: True)
    assert remedy("onnx") == "pip install 'bytemac[onnx]'"
    assert installer("onnx") == [sys.executable, "-m", "pip", "install", "bytemac[onnx]"]
    assert library_remedy() == "bytemac doctor --install"


def test_explanation_of_a_package() -> None:
    found = explanation(ModuleNotFoundError("x", name="onnx.helper"))
    assert found == f"Package onnx is not installed in {sys.executable}: run `{remedy('onnx')}`"
    assert explanation(ModuleNotFoundError("x", name="none")) is None


@pytest.mark.parametrize(
    "words",
    [
        ["hw.generate", "--mac", "e4m3", "--array", "4x4"],
        ["sim.run", "--mac", "e4m3"],
        ["sim.network", "--list"],
        ["synth.run", "--mac", "e4m3"],
        ["reports.advise", "model.onnx"],
        ["bytemac", "view"],
    ],
)
def test_python_without_packages_gets_one_line(words: list[str], tmp_path: Path) -> None:
    """``python3 -m hw.generate`` with a Python that has none of the packages."""
    done = subprocess.run(
        [sys.executable, *BARE, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    name = f"bytemac {words[1]}" if words[0] == "bytemac" else f"python -m {words[0]}"
    assert re.fullmatch(
        rf"{re.escape(name)}: error: Package \w+ is not installed in \S+: run `.+`\n", done.stderr
    )


def test_metadata_in_the_checkout_is_no_installation(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """``pip install -e .`` leaves ``bytemac.egg-info`` there, which every Python finds."""
    monkeypatch.setattr(folders, "ROOT", tmp_path / "tree")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "tree")])
    info = tmp_path / "tree/bytemac.egg-info"
    info.mkdir(parents=True)
    (info / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: bytemac\nVersion: 1\n")
    (tmp_path / "tree/pyproject.toml").touch()
    assert not packages.is_installed()
    info = tmp_path / "site/bytemac-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bytemac\nVersion: 1\n")
    sys.path.append(str(tmp_path / "site"))
    assert packages.is_installed()

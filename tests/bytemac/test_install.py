# SPDX-License-Identifier: Apache-2.0
"""The project in an environment of its own, outside the checkout, as `pip install .` leaves it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hw.spec.folders import ROOT
from hw.version import VERSION
from tests.mutation.copies import copy_tree

pytestmark = pytest.mark.slow

#: What pip prints without a network.
OFFLINE = re.compile("NewConnectionError|ConnectTimeout|name resolution")
SPEC = ("--mac", "e4m3", "--array", "4x4")
NAME = "array_4x4_os_e4m3_fx49m18"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with an environment ``venv``; the tree that was installed in it is deleted."""
    folder = tmp_path_factory.mktemp("install")
    tree = folder / "tree"
    tree.mkdir()
    copy_tree(tree)
    for name in ("README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree / name)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    done = subprocess.run(
        [folder / "venv/bin/pip", "install", "-q", tree], capture_output=True, text=True
    )
    if done.returncode and OFFLINE.search(done.stderr):
        pytest.skip("no network to install from")
    assert done.returncode == 0, done.stderr
    shutil.rmtree(tree)
    return folder


def run(home: Path, *command: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command of the environment in a folder of the user."""
    user = home / "user"
    user.mkdir(exist_ok=True)
    keep = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
    done = subprocess.run(
        [home / "venv/bin" / command[0], *command[1:]],
        cwd=user,
        env=keep | {"HOME": str(home), "PATH": f"{home}/venv/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == status, done.stderr
    return done


def installed(home: Path) -> set[Path]:
    """Every file of the environment but bytecode."""
    return {
        file
        for file in (home / "venv").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def test_commands_work_from_any_folder_and_write_nothing_beside_the_code(home: Path) -> None:
    before = installed(home)
    assert run(home, "bytemac", "--version").stdout == f"bytemac {VERSION}\n"
    run(home, "bytemac", "generate", *SPEC, "--out", "rtl")
    run(home, "python", "-m", "hw.generate", *SPEC, "--out", "again")
    verilog = (home / "user/rtl" / f"{NAME}.v").read_bytes()
    assert verilog == (home / "user/again" / f"{NAME}.v").read_bytes()
    record = json.loads(run(home, "bytemac", "synth", "--mac", "e4m3", "--json").stdout)
    assert record["subject"] == "mac_e4m3_fx49m18"
    assert record["provenance"]["commit"] == "unknown"
    product = json.loads(run(home, "bytemac", "run", *SPEC, "--size", "5x6x7", "--json").stdout)
    assert product["cycles"] > 0
    run(home, "bytemac", "view", *SPEC, "--size", "4x8x4", "--out", "view.html")
    boards = json.loads(run(home, "bytemac", "flash", "--list-boards", "--json").stdout)
    assert any(board["largest_built"] for board in boards)
    run(home, "bytemac", "formats")
    run(home, "bytemac", "doctor")
    run(home, "bytemac", "study", "--list")
    run(home, "bytemac", "--print-completion", "bash")
    assert installed(home) == before
    assert any((home / ".cache/bytemac").rglob("*.json"))


def test_missing_extra_is_one_line(home: Path) -> None:
    done = run(home, "bytemac", "network", "model.onnx", "--data", "x.npz", status=2)
    assert re.fullmatch(
        r"bytemac network: error: Package onnx is not installed in \S+: "
        r"run `pip install 'bytemac\[onnx\]'`\n",
        done.stderr,
    )


def test_every_file_that_the_code_reads_is_installed(home: Path) -> None:
    (site,) = (home / "venv/lib").glob("python*/site-packages")
    tracked = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "bytemac", "hw", "sim", "synth", "reports"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    left_out = re.compile(r"reports/(figures/|csv/|index\.html|[\w-]+\.md$)")
    wanted = {name for name in tracked if (ROOT / name).exists() and not left_out.match(name)}
    assert len(wanted) > 300
    assert not {name for name in wanted if not (site / name).is_file()}
    assert not (site / "tests").exists()

# SPDX-License-Identifier: Apache-2.0
"""The project's own files: pinned versions agree, the outcome of a test run is recorded."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from synth.record import Metric, read_records

ROOT = Path(__file__).resolve().parents[1]
PIN = re.compile(r"([A-Za-z0-9._-]+)==([^ ;]+)( ; .+)?")


def pins(lines: Iterable[str]) -> set[tuple[str, str]]:
    """Normalised names and versions of requirements that are all exact."""
    found = {line: PIN.fullmatch(line) for line in lines}
    assert all(found.values()), [line for line, match in found.items() if not match]
    return {(re.sub("[-_.]+", "-", match[1]).lower(), match[2]) for match in found.values()}


def test_locks_hold_every_dependency() -> None:
    """Every dependency is pinned, has its reason beside it, and is in a lock at that version; the
    lock of an extra agrees with that of the tests.
    """
    text = (ROOT / "pyproject.toml").read_text()
    data = tomllib.loads(text)
    extras, groups = data["project"]["optional-dependencies"], data["dependency-groups"]
    locks = {
        file.stem: pins(file.read_text().splitlines()) for file in (ROOT / "locks").glob("*.txt")
    }
    always = data["project"]["dependencies"]
    parts = {
        "dev": [
            line
            for name in ("dev", "sim", "demo", "plot", "host", "onnx", "ip")
            for line in extras.pop(name)
            if not line.startswith("bytemac[")
        ]
    }
    parts = {name: [*always, *lines] for name, lines in (parts | extras).items()} | groups
    assert parts.keys() == locks.keys()
    for name, wanted in parts.items():
        assert pins(wanted) <= locks[name]
        for line in wanted:
            assert re.search(rf'^    "{re.escape(line)}", +# \S', text, re.MULTILINE), line
    shared = dict(locks["dev"])
    for name in parts.keys() - groups:
        assert all(shared.get(package, version) == version for package, version in locks[name])


def test_make_lists_its_targets() -> None:
    """Every target but a mere step has a line of help."""
    listed = subprocess.run(
        ["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    makefile = (ROOT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())
    assert {"demo", "test"} < phony
    assert set(re.findall(r"^make (\S+) +\S", listed, re.MULTILINE)) == phony - {"tools"}


def test_readme_example_computes_a_product() -> None:
    """The example runs as printed, and its sums are near the product of the real numbers."""
    [example] = re.findall(
        r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    names: dict = {}
    exec(example, names)
    wanted = np.linspace(-1, 1, 12).reshape(3, 4) @ np.linspace(-2, 2, 8).reshape(4, 2)
    got = names["result"].values
    # Rounding to 4 significant bits: 1/16 of each factor, of at most 4 products of at most 2.
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() < 4 * 2 * 2 / 16


def test_outcome_of_tests_is_recorded(tmp_path: Path) -> None:
    """``--record`` counts a pass, a failure and a skip as such."""
    (tmp_path / "test_x.py").write_text(
        "import pytest\ndef test_a(): pass\ndef test_b(): pass\ndef test_c(): assert 0\n"
        "def test_d(): pytest.skip('why')\n"
    )
    record = tmp_path / "tests.json"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "tests.conftest",
            "-p",
            "no:cacheprovider",
            "--record",
            str(record),
            "-m",
            "not slow",
            str(tmp_path),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    [found] = read_records(record)
    assert {name: found.metrics[name] for name in ("passed", "failed", "error", "skipped")} == {
        "passed": Metric(2, "test"),
        "failed": Metric(1, "test"),
        "error": Metric(0, "test"),
        "skipped": Metric(1, "test"),
    }
    assert found.conditions == {"markers": "not slow"}
    assert found.metrics["runtime"].unit == "s"

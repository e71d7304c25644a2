# SPDX-License-Identifier: Apache-2.0
"""The project's own files: pins agree, the outcome of a test run is recorded."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np

from synth.record import Metric, read_records

ROOT = Path(__file__).resolve().parents[1]
PIN = re.compile(r"([A-Za-z0-9._-]+)==(\S+)")


def pins(lines: list[str]) -> dict[str, str]:
    """Versions by normalised name of requirements that are all exact."""
    found = [PIN.fullmatch(line) for line in lines]
    assert all(found), [line for line, match in zip(lines, found, strict=True) if not match]
    return {re.sub("[-_.]+", "-", match[1]).lower(): match[2] for match in found}


def test_lock_holds_every_dependency() -> None:
    """Every dependency is pinned, has its reason beside it, and is in the lock at that version."""
    text = (ROOT / "pyproject.toml").read_text()
    project = tomllib.loads(text)["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(line for extra in extras.values() for line in extra
                                          if not line.startswith("bytemac["))]
    assert len(wanted) >= 10
    lock = pins([line for file in sorted(ROOT.glob("constraints*.txt"))
                 for line in file.read_text().splitlines() if not line.startswith("#")])
    assert pins(wanted).items() <= lock.items()
    for line in wanted:
        assert re.search(rf'^    "{re.escape(line)}", +# \S', text, re.MULTILINE), line


def test_make_lists_its_targets() -> None:
    """Every target but a mere step has a line of help."""
    listed = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True,
                            check=True).stdout
    makefile = (ROOT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())
    assert {"demo", "test"} < phony
    assert set(re.findall(r"^make (\S+) +\S", listed, re.MULTILINE)) == phony - {"tools"}


def test_readme_example_computes_a_product() -> None:
    """The example runs as printed, and its sums are near the product of the real numbers."""
    [example] = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(),
                           re.MULTILINE | re.DOTALL)
    names: dict = {}
    exec(example, names)
    wanted = np.linspace(-1, 1, 12).reshape(3, 4) @ np.linspace(-2, 2, 8).reshape(4, 2)
    got = names["c"] * 2.0 ** names["mac"].acc.lsb
    # Rounding to 4 significant bits: 1/16 of each factor, of at most 4 products of at most 2.
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() < 4 * 2 * 2 / 16


def test_outcome_of_tests_is_recorded(tmp_path: Path) -> None:
    """``--record`` counts a pass, a failure and a skip as such."""
    (tmp_path / "test_x.py").write_text(
        "import pytest\ndef test_a(): pass\ndef test_b(): pass\ndef test_c(): assert 0\n"
        "def test_d(): pytest.skip('why')\n")
    record = tmp_path / "tests.json"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider",
         "--record", str(record), "-m", "not slow", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    [found] = read_records(record)
    assert {name: found.metrics[name] for name in ("passed", "failed", "error", "skipped")} == {
        "passed": Metric(2, "test"), "failed": Metric(1, "test"), "error": Metric(0, "test"),
        "skipped": Metric(1, "test")}
    assert found.conditions == {"markers": "not slow"}
    assert found.metrics["runtime"].unit == "s"

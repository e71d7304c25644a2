# SPDX-License-Identifier: Apache-2.0
"""The printed catalogue: complete, and equal to the properties of the formats."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hw.spec import CATALOG, SOURCES, Kind, integer
from hw.spec.__main__ import main
from hw.spec.catalog import COLUMNS, format_cells, format_rows, format_table

ROOT = Path(__file__).resolve().parents[3]


def test_table_has_every_format_with_source() -> None:
    assert [row["name"] for row in format_rows()] == list(CATALOG) == list(SOURCES)
    assert all(row["source"] for row in format_rows())


@pytest.mark.parametrize(
    "row", [row for row in format_rows() if row["width"] <= 16], ids=lambda row: row["name"]
)
def test_table_matches_every_code(row: dict) -> None:
    """Extremes, counts and special codes hold over all codes of the format."""
    fmt = CATALOG[row["name"]]
    codes = [fmt.unpack(code) for code in range(1 << row["width"])]
    values = [u.sig * 2.0 ** (u.exp + row["lsb"]) for u in codes if u.kind is Kind.FINITE]
    assert row["width"] == row["sign_bits"] + row["exp_bits"] + row["man_bits"]
    assert (row["min"], row["max"]) == (min(values), max(values))
    assert row["num_finite"] == len(values)
    assert row["min_subnormal"] == min(value for value in values if value > 0)
    nans = [code for code, u in enumerate(codes) if u.kind is Kind.NAN]
    assert row["nan_code"] in nans if nans else row["nan_code"] is None
    infs = [code for code, u in enumerate(codes) if u.kind is Kind.INF and not u.negative]
    assert [code for code in (row["inf_code"],) if code is not None] == infs


def test_table_shows_published_values() -> None:
    """OCP OFP8 1.0, table 2, as text."""
    cells = dict(zip(COLUMNS, format_cells()[0], strict=True))
    assert cells == {
        "name": "e4m3",
        "bits": "1/4/3",
        "bias": "7",
        "specials": "fn",
        "max": "448",
        "min": "-448",
        "min_normal": "0.015625",
        "min_subnormal": "0.001953125",
        "lsb": "-9",
        "num_finite": "254",
        "nan_code": "0x7f",
        "inf_code": "-",
        "source": "OCP OFP8 1.0, tables 1 and 2",
    }


def test_table_accepts_format_without_source() -> None:
    heading, line = format_table(format_rows([integer("int3", 3)])).splitlines()
    assert heading.split() == " ".join(COLUMNS.values()).split()
    assert line.split() == [
        "int3",
        "1/0/2",
        "-",
        "none",
        "3",
        "-4",
        "1",
        "1",
        "0",
        "8",
        "-",
        "-",
        "-",
    ]


def test_list_prints_table_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--list"])
    assert capsys.readouterr().out == format_table() + "\n"
    main(["--list", "--json"])
    assert json.loads(capsys.readouterr().out) == {"formats": format_rows()}


def test_list_wrong() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hw.spec", "--lists"], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == ("python -m hw.spec: error: unrecognized arguments: --lists\n")

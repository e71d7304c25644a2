# SPDX-License-Identifier: Apache-2.0
"""The named formats, each with its source. Data only.

To add a format, add an entry here. `python -m hw.spec --list` prints the table.
"""

import json
from collections.abc import Iterable
from typing import Any

from hw.spec.formats import Format, Specials, integer


def _float(name: str, exp_bits: int, man_bits: int, specials: Specials) -> Format:
    """Floating-point format with the usual bias of its policy."""
    return Format(
        name=name,
        exp_bits=exp_bits,
        man_bits=man_bits,
        specials=specials,
        bias=specials.default_bias(exp_bits),
    )


#: Each source with the formats that it defines.
_GROUPS: tuple[tuple[str, tuple[Format, ...]], ...] = (
    # Also arXiv 2209.05433, table 1.
    (
        "OCP OFP8 1.0, tables 1 and 2",
        (
            _float("e4m3", 4, 3, Specials.FN),
            _float("e5m2", 5, 2, Specials.IEEE),
        ),
    ),
    # IEEE 754 conventions carried over to 3 exponent bits.
    ("ml_dtypes float8_e3m4", (_float("e3m4", 3, 4, Specials.IEEE),)),
    # With the special codes of OCP E4M3; not standardised.
    ("E2M5 of arXiv 2303.17951", (_float("e2m5", 2, 5, Specials.FN),)),
    (
        "arXiv 2206.02915, section 3",
        (
            _float("e4m3fnuz", 4, 3, Specials.FNUZ),
            _float("e5m2fnuz", 5, 2, Specials.FNUZ),
        ),
    ),
    # Signed, finite. These are the formats of arXiv 2303.17951, appendix A.
    (
        "IEEE P3109 interim report, Binary8p{3..6}sf",
        (
            _float("binary8p3", 5, 2, Specials.P3109),
            _float("binary8p4", 4, 3, Specials.P3109),
            _float("binary8p5", 3, 4, Specials.P3109),
            _float("binary8p6", 2, 5, Specials.P3109),
        ),
    ),
    # Signed, extended (with infinities).
    (
        "IEEE P3109 interim report, Binary8p{3..6}se",
        (
            _float("binary8p3e", 5, 2, Specials.P3109E),
            _float("binary8p4e", 4, 3, Specials.P3109E),
            _float("binary8p5e", 3, 4, Specials.P3109E),
            _float("binary8p6e", 2, 5, Specials.P3109E),
        ),
    ),
    # Element formats without special codes.
    (
        "OCP Microscaling (MX) 1.0, tables 4 to 6",
        (
            _float("e2m1", 2, 1, Specials.NONE),
            _float("e2m3", 2, 3, Specials.NONE),
            _float("e3m2", 3, 2, Specials.NONE),
        ),
    ),
    # Elements of MXINT8; -2 is unused if numbers are encoded symmetrically.
    ("OCP Microscaling (MX) 1.0, MXINT8", (integer("int8m6", 8, lsb=-6),)),
    (
        "two's complement",
        (
            integer("int4", 4),
            integer("int8", 8),
            integer("int16", 16),
        ),
    ),
    ("unsigned binary", (integer("uint8", 8, signed=False),)),
    ("upper half of IEEE 754 binary32", (_float("bf16", 8, 7, Specials.IEEE),)),
    (
        "IEEE 754-2019, table 3.5",
        (
            _float("fp16", 5, 10, Specials.IEEE),
            _float("fp32", 8, 23, Specials.IEEE),
        ),
    ),
)

#: Formats by name, in the order of the printed table.
CATALOG: dict[str, Format] = {fmt.name: fmt for _, group in _GROUPS for fmt in group}

#: Document that defines each format, by name.
SOURCES: dict[str, str] = {fmt.name: source for source, group in _GROUPS for fmt in group}

#: Names of the same formats in ml_dtypes, torch, numpy and IEEE 754.
ALIASES = {
    "float8_e4m3fn": "e4m3",
    "e4m3fn": "e4m3",
    "float8_e5m2": "e5m2",
    "float8_e3m4": "e3m4",
    "float8_e4m3": "e4m3:ieee",
    "float8_e4m3fnuz": "e4m3fnuz",
    "float8_e5m2fnuz": "e5m2fnuz",
    "float4_e2m1fn": "e2m1",
    "float6_e2m3fn": "e2m3",
    "float6_e3m2fn": "e3m2",
    "bfloat16": "bf16",
    "float16": "fp16",
    "half": "fp16",
    "binary16": "fp16",
    "float32": "fp32",
    "float": "fp32",
    "binary32": "fp32",
}

#: Names that are not formats, and the formats that may be meant.
FAMILIES = {
    "fp8": ("e4m3", "e5m2"),
    "float8": ("e4m3", "e5m2"),
    "mxfp8": ("e4m3", "e5m2"),
    "fp6": ("e2m3", "e3m2"),
    "float6": ("e2m3", "e3m2"),
    "mxfp6": ("e2m3", "e3m2"),
    "fp4": ("e2m1",),
    "float4": ("e2m1",),
    "mxfp4": ("e2m1",),
    "mxint8": ("int8m6",),
    "int": ("int8", "int4"),
    "uint": ("uint8",),
}

#: Formats of arXiv 2303.17951, appendix A, by the paper's names.
PAPER_FORMATS = {
    "INT8": "int8",
    "E2M5": "binary8p6",
    "E3M4": "binary8p5",
    "E4M3": "binary8p4",
    "E5M2": "binary8p3",
}


#: Heading of each column of the printed table.
COLUMNS = {
    "name": "format",
    "bits": "S/E/M",
    "bias": "bias",
    "specials": "specials",
    "max": "max",
    "min": "min",
    "min_normal": "min normal",
    "min_subnormal": "min subnormal",
    "lsb": "lsb",
    "num_finite": "finite codes",
    "nan_code": "NaN",
    "inf_code": "Inf",
    "source": "source",
}


def format_rows(formats: Iterable[Format] = CATALOG.values()) -> list[dict[str, Any]]:
    """Facts of each format, ready for JSON.

    ``bias``, ``nan_code``, ``inf_code`` and ``source`` are None if the format has none. Every value
    is a multiple of ``2**lsb_exp``. Both smallest values of an integer are one unit.
    """
    return [_row(fmt) for fmt in formats]


def _row(fmt: Format) -> dict[str, Any]:
    """Facts of one format."""
    return {
        "name": fmt.name,
        "width": fmt.width,
        "sign_bits": int(fmt.signed),
        "exp_bits": fmt.exp_bits,
        "man_bits": fmt.man_bits,
        "bias": None if fmt.is_integer else fmt.bias,
        "specials": fmt.specials.value,
        "max": fmt.max,
        "min": fmt.min,
        "min_normal": fmt.min_normal,
        "min_subnormal": fmt.min_subnormal,
        "lsb": fmt.lsb_exp,
        "num_finite": fmt.num_finite,
        "nan_code": fmt.nan_code,
        "inf_code": fmt.inf_code,
        "source": SOURCES.get(fmt.name),
    }


def format_cells(rows: list[dict[str, Any]] | None = None) -> list[list[str]]:
    """Text of each cell of `format_rows`: a list per format, in the order of `COLUMNS`."""
    rows = format_rows() if rows is None else rows
    return [[_cell(row, name) for name in COLUMNS] for row in rows]


def format_table(rows: list[dict[str, Any]] | None = None) -> str:
    """Table of `format_rows` as text: headings, then one line per format."""
    cells = [list(COLUMNS.values()), *format_cells(rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in cells
    ]
    return "\n".join(line.rstrip() for line in lines)


def format_table_json(rows: list[dict[str, Any]] | None = None) -> str:
    """`format_rows` as JSON text."""
    return json.dumps({"formats": format_rows() if rows is None else rows}, indent=2)


def _cell(row: dict[str, Any], column: str) -> str:
    """Text of one cell."""
    if column == "bits":
        return "/".join(str(row[name]) for name in ("sign_bits", "exp_bits", "man_bits"))
    value = row[column]
    if value is None:
        return "-"
    if column.endswith("_code"):
        return f"0x{value:0{-(-row['width'] // 4)}x}"
    return f"{value:.8g}" if isinstance(value, float) else str(value)

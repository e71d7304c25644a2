# SPDX-License-Identifier: Apache-2.0
"""The formats that have a name: data only, each with its source.

Adding a format is adding an entry here.
"""

from hw.spec.formats import Format, integer
from hw.spec.specials import Specials

__all__ = ["CATALOG", "PAPER_FORMATS", "SOURCES"]


def _float(name: str, exp_bits: int, man_bits: int, specials: Specials) -> Format:
    """Float format with the bias that its policy implies."""
    return Format(name=name, exp_bits=exp_bits, man_bits=man_bits, specials=specials,
                  bias=specials.default_bias(exp_bits))


#: Source and the formats that it defines.
_GROUPS: tuple[tuple[str, tuple[Format, ...]], ...] = (
    # Also arXiv 2209.05433, table 1.
    ("OCP OFP8 1.0, tables 1 and 2", (
        _float("e4m3", 4, 3, Specials.FN),
        _float("e5m2", 5, 2, Specials.IEEE),
    )),
    # IEEE 754 conventions carried over to 3 exponent bits.
    ("ml_dtypes float8_e3m4", (
        _float("e3m4", 3, 4, Specials.IEEE),
    )),
    # With the special codes of OCP E4M3; no document standardises it.
    ("E2M5 of arXiv 2303.17951", (
        _float("e2m5", 2, 5, Specials.FN),
    )),
    ("arXiv 2206.02915, section 3", (
        _float("e4m3fnuz", 4, 3, Specials.FNUZ),
        _float("e5m2fnuz", 5, 2, Specials.FNUZ),
    )),
    # Signed, finite. These are the formats of arXiv 2303.17951, appendix A.
    ("IEEE P3109 interim report, Binary8p{3..6}sf", (
        _float("binary8p3", 5, 2, Specials.P3109),
        _float("binary8p4", 4, 3, Specials.P3109),
        _float("binary8p5", 3, 4, Specials.P3109),
        _float("binary8p6", 2, 5, Specials.P3109),
    )),
    # Signed, extended (with infinities).
    ("IEEE P3109 interim report, Binary8p{3..6}se", (
        _float("binary8p3e", 5, 2, Specials.P3109E),
        _float("binary8p4e", 4, 3, Specials.P3109E),
        _float("binary8p5e", 3, 4, Specials.P3109E),
        _float("binary8p6e", 2, 5, Specials.P3109E),
    )),
    # Element formats without special codes.
    ("OCP Microscaling (MX) 1.0, tables 4 to 6", (
        _float("e2m1", 2, 1, Specials.NONE),
        _float("e2m3", 2, 3, Specials.NONE),
        _float("e3m2", 3, 2, Specials.NONE),
    )),
    # Elements of MXINT8; -2 stays unused where numbers are encoded symmetrically.
    ("OCP Microscaling (MX) 1.0, MXINT8", (
        integer("int8m6", 8, lsb=-6),
    )),
    ("two's complement", (
        integer("int4", 4),
        integer("int8", 8),
        integer("int16", 16),
    )),
    ("unsigned binary", (
        integer("uint8", 8, signed=False),
    )),
    ("upper half of IEEE 754 binary32", (
        _float("bf16", 8, 7, Specials.IEEE),
    )),
    ("IEEE 754-2019, table 3.5", (
        _float("fp16", 5, 10, Specials.IEEE),
        _float("fp32", 8, 23, Specials.IEEE),
    )),
)

#: Formats by name, in the order of the printed table.
CATALOG: dict[str, Format] = {fmt.name: fmt for _, group in _GROUPS for fmt in group}

#: Document that defines each format, by name.
SOURCES: dict[str, str] = {fmt.name: source for source, group in _GROUPS for fmt in group}
#: Formats of arXiv 2303.17951, appendix A, by the paper's names.
PAPER_FORMATS = {"INT8": "int8", "E2M5": "binary8p6", "E3M4": "binary8p5", "E4M3": "binary8p4",
                 "E5M2": "binary8p3"}

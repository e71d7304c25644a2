# SPDX-License-Identifier: Apache-2.0
"""The formats that have a name: data only, the source above each entry.

Adding a format is adding an entry here.
"""

from hw.spec.formats import Format, Specials, integer

__all__ = ["CATALOG"]


def _float(name: str, exp_bits: int, man_bits: int, specials: Specials) -> Format:
    """Float format with the bias that its policy implies."""
    return Format(name=name, exp_bits=exp_bits, man_bits=man_bits, specials=specials,
                  bias=specials.default_bias(exp_bits))


_FORMATS = (
    # OCP 8-bit Floating Point Specification (OFP8) rev. 1.0, tables 1 and 2; also arXiv 2209.05433,
    # table 1.
    _float("e4m3", 4, 3, Specials.FN),
    _float("e5m2", 5, 2, Specials.IEEE),
    # ml_dtypes float8_e3m4: IEEE 754 conventions carried over to 3 exponent bits.
    _float("e3m4", 3, 4, Specials.IEEE),
    # E2M5 of arXiv 2303.17951 with the special codes of OCP E4M3; no document standardises it.
    _float("e2m5", 2, 5, Specials.FN),
    # ml_dtypes float8_e4m3fnuz and float8_e5m2fnuz (arXiv 2206.02915, section 3).
    _float("e4m3fnuz", 4, 3, Specials.FNUZ),
    _float("e5m2fnuz", 5, 2, Specials.FNUZ),
    # IEEE P3109 interim report, Binary8p{3,4,5,6}sf: signed, finite. These are the formats of
    # arXiv 2303.17951, appendix A.
    _float("binary8p3", 5, 2, Specials.P3109),
    _float("binary8p4", 4, 3, Specials.P3109),
    _float("binary8p5", 3, 4, Specials.P3109),
    _float("binary8p6", 2, 5, Specials.P3109),
    # IEEE P3109 interim report, Binary8p{3,4,5,6}se: signed, extended (with infinities).
    _float("binary8p3e", 5, 2, Specials.P3109E),
    _float("binary8p4e", 4, 3, Specials.P3109E),
    _float("binary8p5e", 3, 4, Specials.P3109E),
    _float("binary8p6e", 2, 5, Specials.P3109E),
    # OCP Microscaling Formats (MX) v1.0, tables 4 to 6: element formats without special codes.
    _float("e2m1", 2, 1, Specials.NONE),
    _float("e2m3", 2, 3, Specials.NONE),
    _float("e3m2", 3, 2, Specials.NONE),
    # Two's complement and unsigned integers.
    integer("int4", 4),
    integer("int8", 8),
    integer("int16", 16),
    integer("uint8", 8, signed=False),
    # bfloat16: the upper half of binary32. IEEE 754-2019, table 3.5: binary16, binary32.
    _float("bf16", 8, 7, Specials.IEEE),
    _float("fp16", 5, 10, Specials.IEEE),
    _float("fp32", 8, 23, Specials.IEEE),
)

#: Formats by name, in the order of the printed table.
CATALOG: dict[str, Format] = {fmt.name: fmt for fmt in _FORMATS}

# SPDX-License-Identifier: Apache-2.0
"""Formats whose subnormal codes mean zero: every code, every rounding case, every pair."""

import re
from itertools import product

import ml_dtypes
import numpy as np
import pytest

import sim
from hw.spec import CATALOG, FloatAccumulator, Format, SpecError, parse_format, parse_mac
from sim import golden, integers
from sim.vector.codes import unpack
from tests.support.rounding_cases import all_codes, around, same_values
from tests.support.tiers import tiers

#: A format without subnormals, and the one that has them.
PAIRS = {
    "e4m3:fn-daz": "e4m3",
    "e5m2:ieee-daz": "e5m2",
    "e4m3:fnuz-daz": "e4m3fnuz",
    "e3m4:p3109e-daz": "binary8p5e",
    "e2m1:none-daz": "e2m1",
    "e1m2:fn-daz": "e1m2:fn",
    "e5m10:ieee-daz": "fp16",
}
DTYPES = {
    "e4m3:fn-daz": ml_dtypes.float8_e4m3fn,
    "e5m2:ieee-daz": ml_dtypes.float8_e5m2,
    "e4m3:fnuz-daz": ml_dtypes.float8_e4m3fnuz,
    "e2m1:none-daz": ml_dtypes.float4_e2m1fn,
}


@pytest.mark.parametrize(("name", "other"), PAIRS.items())
def test_unpack_reads_subnormal_codes_as_zeros_of_their_sign(name, other):
    fmt, whole = parse_format(name), parse_format(other)
    codes = np.arange(1 << fmt.width)
    parts = unpack(codes, fmt)
    flushed = 0
    for code in codes.tolist():
        read, kept = fmt.unpack(code), whole.unpack(code)
        if kept.sig and not (code & ~fmt.sign_code) >> fmt.man_bits:
            flushed += 1
            kept = kept._replace(sig=0)
        assert read == kept, f"{name} {code:#x}"
        assert (parts.sig[code], parts.exp[code], parts.negative[code], parts.special[code]) == (
            read.sig,
            read.exp,
            read.negative,
            read.kind.value != "finite",
        ), f"{name} {code:#x}"
    assert flushed == 2 * ((1 << fmt.man_bits) - 1)


@pytest.mark.parametrize("name", DTYPES)
def test_decode_equals_ml_dtypes_but_for_subnormals(name):
    fmt, codes = parse_format(name), all_codes(name)
    theirs = codes.astype(np.uint8).view(DTYPES[name]).astype(np.float64)
    small = abs(theirs) < fmt.min_normal
    assert np.count_nonzero(small) >= 2 << fmt.man_bits - 1
    assert same_values(sim.decode(codes, name), np.where(small, np.copysign(0.0, theirs), theirs))


@pytest.mark.parametrize(("name", "other"), PAIRS.items())
def test_encode_flushes_what_rounds_to_a_subnormal(name, other):
    fmt = parse_format(name)
    points = around(sim.decode(all_codes(other), other))
    got = sim.encode(points, name)
    wanted = sim.encode(points, other)
    small = sim.decode(wanted, other)
    small = abs(small) < fmt.min_normal
    assert np.count_nonzero(small & (points != 0)) > 4 << fmt.man_bits
    zero = np.where(np.signbit(points) & fmt.has_minus_zero, fmt.sign_code, 0)
    assert (got == np.where(small, zero, wanted)).all()
    some = slice(None, None, max(1, points.size // 2000))
    assert [integers.encode(x, fmt) for x in points[some].tolist()] == got[some].tolist()


@pytest.mark.parametrize("name", PAIRS)
def test_facts_of_a_format_without_subnormals(name):
    fmt, whole = parse_format(name), parse_format(PAIRS[name])
    assert (fmt.subnormals, whole.subnormals) == (False, True)
    assert fmt.min_subnormal == fmt.min_normal == whole.min_normal
    values = sim.decode(all_codes(name), name)
    assert min(values[values > 0]) == fmt.min_subnormal
    assert fmt.num_finite == np.count_nonzero(np.isfinite(values))
    assert (fmt.max, fmt.lsb_exp, fmt.nan_code, fmt.inf_code) == (
        whole.max,
        whole.lsb_exp,
        whole.nan_code,
        whole.inf_code,
    )
    assert parse_mac(f"{name}xint8").name.split("_fx")[0].isidentifier()


#: Every accumulator, every pair.
OFTEN = (
    ("e4m3:fn-daz", "exact"),
    ("e4m3:fn-daz", "fp16"),
    ("e4m3:fn-daz", "aligned:13"),
    ("e5m2:ieee-dazxe4m3", "bf16-rtz"),
    ("int8xe4m3:fnuz-daz", "exact"),
)


@pytest.mark.parametrize(
    ("pair", "acc"),
    tiers(
        product(
            ["e4m3:fn-daz", "e5m2:ieee-dazxe4m3", "int8xe4m3:fnuz-daz"],
            ["exact", "fp16", "bf16-rtz", "aligned:13"],
        ),
        OFTEN,
    ),
)
def test_models_agree_on_every_pair(pair, acc):
    spec = parse_mac(pair, acc=acc)
    a, b = (np.arange(1 << fmt.width, dtype=np.uint64) for fmt in (spec.a, spec.b))
    sums, flags = sim.matmul_with_flags(a[:, None], b[None], spec, backend="vector")
    wanted, wanted_flags = golden.matmul(a[:, None], b[None], spec)
    assert sums.size == 1 << 16
    assert (sums == wanted).all()
    assert (flags == wanted_flags).all()


WRONG = [
    (lambda: parse_format("e4m3:fn-ftz"), "Format option must be daz or none, not 'ftz'"),
    (lambda: parse_format("e4m3:fn-"), "Format option must be daz or none, not ''"),
    (
        lambda: parse_format("e4m3:-daz"),
        f"Format name must be one of {', '.join(CATALOG)}, or eXmY:policy, not 'e4m3:-daz'",
    ),
    (
        lambda: Format(name="int3", exp_bits=0, man_bits=2, bias=-1, subnormals=False),
        "Format subnormals must be True without exponent bits, not False",
    ),
    (
        lambda: Format(name="e4m3", exp_bits=4, man_bits=3, bias=7, subnormals=0),
        "Format subnormals must be a bool, not 0",
    ),
    (
        lambda: FloatAccumulator(fmt=parse_format("e5m10:ieee-daz")),
        "Accumulator fmt must be a format with subnormals, not 'e5m10:ieee-daz'",
    ),
]


@pytest.mark.parametrize(("make", "message"), WRONG, ids=[message for _, message in WRONG])
def test_daz_wrong(make, message):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        make()

# SPDX-License-Identifier: Apache-2.0
"""`sim.dot` and `sim.matmul`: dtypes and shapes, lanes, refusals in one line."""

import re

import numpy as np
import pytest

import sim
from hw.spec import CATALOG, Flag, SpecError, parse_mac

E4M3_ONE = 0x38
BACKENDS = ("vector", "fast", "golden")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("spelling", "dtype"),
    [
        ("int8", np.int64),
        ("e4m3,acc=fx63m18", np.int64),
        ("e4m3,acc=fx64m18", object),
        ("e5m2", object),
        ("e4m3,acc=fp32", np.uint32),
        ("e4m3,acc=fp16", np.uint16),
        ("e4m3,acc=bf16", np.uint16),
        ("e4m3,acc=e5m2", np.uint8),
    ],
)
def test_sums_have_the_promised_dtype(spelling, dtype, backend):
    sums, flags = sim.matmul_with_flags(
        np.ones((2, 3), np.uint8), np.ones((3, 4), np.uint8), spelling, backend=backend
    )
    assert (sums.dtype, sums.shape) == (dtype, (2, 4))
    assert (flags.dtype, flags.shape) == (np.uint8, (2, 4))
    alone = sim.dot(np.ones(3, np.uint8), np.ones(3, np.uint8), spelling, backend=backend)
    assert alone == sums[0, 0]
    assert isinstance(alone, int if dtype is object else dtype)
    assert dtype is not object or all(type(element) is int for element in sums.flat)


@pytest.mark.parametrize("backend", BACKENDS)
def test_codes_or_values_of_a_signed_integer(backend):
    values = np.array([-128, -1, 127], np.int8)
    forms = (
        values,
        values.view(np.uint8),
        values.astype(np.int64),
        values.tolist(),
        values.view(np.uint8).astype(np.uint64),
        values.view(np.uint8).astype(object),
    )
    for form in forms:
        assert sim.dot(form, form, "int8", backend=backend) == 128**2 + 1 + 127**2
    ones = [E4M3_ONE, E4M3_ONE | 0x80, E4M3_ONE]
    for form in (ones, np.array(ones, np.uint8), np.array(ones, np.int64), np.array(ones, object)):
        assert sim.dot(form, [E4M3_ONE] * 3, "e4m3", backend=backend) == 1 << 18


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("acc", ["exact", "fp32", "bf16-rtz"])
def test_lanes_are_filled_up_with_zeros(acc, backend):
    rng = np.random.default_rng(4)
    a, b = rng.integers(0, 120, (3, 7)), rng.integers(0, 120, (7, 2))
    spec = parse_mac("e4m3", acc=acc, lanes=4)
    padded = sim.matmul(np.pad(a, ((0, 0), (0, 1))), np.pad(b, ((0, 1), (0, 0))), spec)
    assert (sim.matmul(a, b, spec, backend=backend) == padded).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_order_of_k_decides_saturated_and_rounded_sums(backend):
    up, down = np.full(3, 127, np.int8), np.array([127, 127, -127], np.int8)
    sums = [int(sim.dot(x, up, "int8,acc=int16-sat", backend=backend)) for x in (down, down[::-1])]
    assert sums == [32258 - 16129, 16129]
    # 448 * 448 overflows binary16: infinity stays, saturation does not.
    big = np.array([0x7E, 0x7E], np.uint8)
    other = np.array([0x7E, 0xFE], np.uint8)
    for acc, codes in (
        ("fp16", [0x7C00, 0xFC00]),
        ("fp16-sat", [0xFBFF, 0x7BFF]),
        ("fp32", [0, 0]),
    ):
        assert [
            int(sim.dot(big, x, f"e4m3,acc={acc}", backend=backend)) for x in (other, other[::-1])
        ] == codes


@pytest.mark.parametrize("backend", BACKENDS)
def test_flags(backend):
    e5m2 = CATALOG["e5m2"]
    inf, one = e5m2.inf_code, 0x3C
    a = np.array([[inf, one], [inf | 0x80, one], [e5m2.nan_code, one], [one, one]], np.uint8)
    b = np.array([[one, 0], [one, 0]], np.uint8)
    sums, flags = sim.matmul_with_flags(a, b, "e5m2", backend=backend)
    assert flags.tolist() == [
        [Flag.POS_INF, Flag.NAN],
        [Flag.NEG_INF, Flag.NAN],
        [Flag.NAN, Flag.NAN],
        [Flag.FINITE, Flag.FINITE],
    ]
    # A product with a special operand adds zero.
    assert sums.tolist() == [[1 << 32, 0]] * 3 + [[2 << 32, 0]]
    sums, flags = sim.matmul_with_flags(a, b, "e5m2,acc=fp16", backend=backend)
    assert sums.tolist() == [[0x7C00, 0x7E00], [0xFC00, 0x7E00], [0x7E00, 0x7E00], [0x4000, 0]]
    assert not flags.any()


OK = np.ones((2, 2), np.uint8)
NAMES = ", ".join(CATALOG)


@pytest.mark.parametrize(
    ("a", "b", "mac", "message"),
    [
        (OK, OK, "e9m9", f"Format name must be one of {NAMES}, or eXmY:policy, not 'e9m9'"),
        (OK, OK, None, "MAC must be a spelling such as e4m3xe5m2,acc=fp32, not None"),
        (
            OK.astype(float),
            OK,
            "e4m3",
            (
                "Operand a dtype must be e4m3 or an integer type, not 'float64'; "
                "sim.encode(x, 'e4m3') turns numbers into codes"
            ),
        ),
        (
            OK,
            OK.astype(bool),
            "e4m3",
            (
                "Operand b dtype must be e4m3 or an integer type, not 'bool'; "
                "sim.encode(x, 'e4m3') turns numbers into codes"
            ),
        ),
        (
            OK,
            OK.astype(complex),
            "e4m3",
            (
                "Operand b dtype must be e4m3 or an integer type, not 'complex128'; "
                "sim.encode(x, 'e4m3') turns numbers into codes"
            ),
        ),
        (
            [["1"]],
            [[1]],
            "e4m3",
            (
                "Operand a dtype must be e4m3 or an integer type, not '<U1'; "
                "sim.encode(x, 'e4m3') turns numbers into codes"
            ),
        ),
        ([[1], [1, 2]], OK, "e4m3", "Operand a must be a rectangular array, not [[1], [1, 2]]"),
        (
            OK * 256.0,
            OK,
            "e4m3",
            (
                "Operand a dtype must be e4m3 or an integer type, not 'float64'; "
                "sim.encode(x, 'e4m3') turns numbers into codes"
            ),
        ),
        (OK * np.uint16(256), OK, "e4m3", "Operand a must be codes of e4m3 from 0 to 255, not 256"),
        (OK, -OK.astype(int), "e4m3", "Operand b must be codes of e4m3 from 0 to 255, not -1"),
        (OK * 16, OK, "int4", "Operand a must be codes of int4 from 0 to 15, not 16"),
        (OK, [[8, 0], [0, 0]], "int4", "Operand b must be values of int4 from -8 to 7, not 8"),
        (OK, [[-1, 0], [0, 0]], "uint8", "Operand b must be codes of uint8 from 0 to 255, not -1"),
        (OK[0], OK, "int8", "Operand a shape must be (M, K) with no side of 0, not (2,)"),
        (OK, OK[0], "int8", "Operand b shape must be (K, N) with no side of 0, not (2,)"),
        (OK[None], OK, "int8", "Operand a shape must be (M, K) with no side of 0, not (1, 2, 2)"),
        (1, OK, "int8", "Operand a shape must be (M, K) with no side of 0, not ()"),
        (OK[:, :0], OK[:0], "int8", "Operand a shape must be (M, K) with no side of 0, not (2, 0)"),
        (OK[:0], OK, "int8", "Operand a shape must be (M, K) with no side of 0, not (0, 2)"),
        (OK, OK[:, :0], "int8", "Operand b shape must be (K, N) with no side of 0, not (2, 0)"),
        (
            OK,
            OK[:1],
            "int8",
            "Operand b shape must be (2, N) to match the K of operand a, not (1, 2)",
        ),
    ],
)
@pytest.mark.parametrize("backend", BACKENDS)
def test_matmul_wrong(a, b, mac, message, backend):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        sim.matmul(a, b, mac, backend=backend)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (OK, OK[0], "Operand a shape must be (K,) with no side of 0, not (2, 2)"),
        (OK[0], OK, "Operand b shape must be (K,) with no side of 0, not (2, 2)"),
        (OK[0, :0], OK[0, :0], "Operand a shape must be (K,) with no side of 0, not (0,)"),
        (OK[0], OK[0, :1], "Operand b shape must be (2,) to match operand a, not (1,)"),
        (
            OK[0],
            OK[0] / 2,
            (
                "Operand b dtype must be int8 or an integer type, not 'float64'; "
                "sim.encode(x, 'int8') turns numbers into codes"
            ),
        ),
    ],
)
def test_dot_wrong(a, b, message):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        sim.dot(a, b, "int8")


@pytest.mark.parametrize("backend", ["gpu", "", None, ["vector"]])
def test_backend_wrong(backend):
    message = f"Backend must be one of fast, vector, golden, not {backend!r}"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        sim.matmul(OK, OK, "int8", backend=backend)
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        sim.dot(OK[0], OK[0], "int8", backend=backend)

# SPDX-License-Identifier: Apache-2.0
"""What `sim.run` draws and what it says of sums: bits, checksum and error."""

import numpy as np
import pytest

import sim
from hw.spec import parse_mac
from sim.progress import Progress
from sim.run.operands import DISTRIBUTIONS, draw
from sim.run.sums import as_bits, checksum, relative_error


@pytest.mark.parametrize(("sums", "mac", "wanted"), [
    (np.array([[-1, 5]]), "int8,acc=int20", [[0xFFFFF, 5]]),
    (np.array([[-1, 5]], object), "e5m2,acc=fx70m32", [[[255] * 8 + [63], [5] + [0] * 8]]),
    (np.array([[-2]], object), "e4m3,acc=fx64m18", [[(1 << 64) - 2]]),
    (np.array([[0x7F800000]], np.uint32), "e4m3,acc=fp32", [[0x7F800000]])])
def test_bits_of_sums(sums, mac, wanted):
    assert as_bits(sums, parse_mac(mac).acc.width).tolist() == wanted


def test_checksum_sees_every_bit_and_flag():
    spec, rng = parse_mac("e5m2,acc=fx51m12"), np.random.default_rng(5)
    sums, flags = rng.integers(-2**50, 2**50, (3, 4)), np.zeros((3, 4), np.uint8)
    found = {checksum(sums, flags, spec)}
    for place in np.ndindex(3, 4):
        for bit in range(51):
            other = sums.copy()
            other[place] ^= 1 << bit
            found.add(checksum(other, flags, spec))
        raised = flags.copy()
        raised[place] = 1
        found.add(checksum(sums, raised, spec))
    assert len(found) == 1 + 12 * (51 + 1)


def test_relative_error_leaves_out_what_is_not_finite():
    mac = parse_mac("e5m2,acc=bf16")
    a = sim.encode([[1.0, 0.5], [2.0, 1.0], [0.0, 0.0]], "e5m2")
    b = sim.encode([[256.0, 3.0], [2.0, 0.5]], "e5m2")
    a[2, 0] = mac.a.nan_code
    sums, flags = sim.matmul_with_flags(a, b, mac)
    exact = np.array([[257.0, 3.25], [514.0, 6.5]])
    got = sim.decode(sums[:2], "bf16")
    assert got.tolist() == [[256.0, 3.25], [512.0, 6.5]]
    wanted = np.sqrt(((got - exact) ** 2).sum() / (exact ** 2).sum())
    found = relative_error(a, b, sums, flags, mac, Progress())
    assert found == pytest.approx(wanted, rel=1e-12)
    assert relative_error(a[2:], b, sums[2:], flags[2:], mac, Progress()) is None


@pytest.mark.parametrize("data", DISTRIBUTIONS)
@pytest.mark.parametrize("name", ["e4m3", "int8", "uint8", "bf16"])
def test_drawn_operands_are_finite_spread_and_repeatable(name, data):
    fmt = parse_mac(name).a
    codes = draw(fmt, (60, 70), data, [1, 0], Progress())
    values = sim.decode(codes, fmt)
    assert np.isfinite(values).all()
    assert (codes == draw(fmt, (60, 70), data, [1, 0], Progress())).all()
    assert (codes != draw(fmt, (60, 70), data, [1, 1], Progress())).any()
    scale = fmt.max if fmt.is_integer else 1
    assert 0.05 < np.abs(values).mean() / scale < 1

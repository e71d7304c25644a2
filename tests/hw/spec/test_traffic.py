# SPDX-License-Identifier: Apache-2.0
"""Bytes on the streams: the closed form against the beats and ports of the RTL."""

import numpy as np
import pytest

from hw.array import array
from hw.spec.arrays import traffic
from sim.tiling import A, B, beats
from tests.support.specs import ARRAYS, WEIGHT_ARRAYS

SHAPES = ((1, 1, 1), (5, 7, 3), (16, 16, 16), (33, 2, 17))


@pytest.mark.parametrize("name", [*ARRAYS, *WEIGHT_ARRAYS])
def test_traffic_is_that_of_beats_and_ports(name):
    spec = (ARRAYS | WEIGHT_ARRAYS)[name]
    size = {port.name: port.width // 8 for port in array(spec).ports}
    for m, k, n in SHAPES:
        moved = traffic(spec, m, k, n)
        given = beats(spec, np.zeros((m, k), np.uint8), np.zeros((k, n), np.uint8))
        assert moved.a == len(given.sources[A]) * size["s_axis_a_tdata"]
        assert moved.b == len(given.sources[B]) * size["s_axis_b_tdata"]
        assert moved.c == len(given.rows) * size["m_axis_c_tdata"]
        assert moved.total == moved.a + moved.b + moved.c

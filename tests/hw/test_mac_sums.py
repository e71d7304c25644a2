# SPDX-License-Identifier: Apache-2.0
"""MACs as compiled RTL: their ports are compared with the model in every cycle."""

import numpy as np
import pytest

from hw.spec import parse_mac
from tests.support.mac_rtl import SUMS, SumsBench, compiled_mac
from tests.support.specs import ALIGNED_MACS, FLOAT_MACS, MACS
from tests.support.tiers import tiers

SPECS = {
    spelling: spec
    for spelling, spec in (MACS | FLOAT_MACS | ALIGNED_MACS).items()
    if spec.a.width <= 8
}
#: One of each kind of accumulator, every product of FP8; an event simulator sees the others.
FAST = ("e4m3", "int8,lanes=4", "e2m1,acc=e5m2", "e2m1xint4,acc=aligned:13,lanes=3")


@pytest.mark.parametrize("spelling", tiers(SPECS, FAST))
def test_mac_shows_every_sum_in_its_cycle(spelling, tmp_path):
    spec = SPECS[spelling]
    products = 1 << spec.a.width + spec.b.width
    # Some of the random sums are broken off by a reset.
    assert SumsBench(spec, seed=1).check(compiled_mac(spec, tmp_path)) > products + SUMS // 2


class Wrong:
    """A model whose outputs are altered."""

    def __init__(self, model, change):
        self._model, self._change = model, change

    def reset(self):
        self._model.reset()

    def run(self, inputs):
        return self._change(self._model.run(inputs))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: {name: np.zeros_like(rows) for name, rows in found.items()}, "0 sums, not"),
        (lambda found: found | {"o_valid": np.ones_like(found["o_valid"])}, r"!= .* \(model\)"),
        (lambda found: found | {"o_data": found["o_data"] ^ np.uint64(1)}, r"!= .* \(model\)"),
        (lambda found: found | {"o_flags": np.zeros_like(found["o_flags"])}, r"!= .* \(model\)"),
        (
            lambda found: {name: np.roll(rows, 1, axis=0) for name, rows in found.items()},
            r"!= .* \(model\)",
        ),
    ],
)
def test_bench_sees_what_is_wrong(change, message, tmp_path):
    spec = parse_mac("e2m1xe5m2")
    bench, model = SumsBench(spec, seed=1), compiled_mac(spec, tmp_path)
    assert bench.check(model) > 0
    with pytest.raises(AssertionError, match=message):
        bench.check(Wrong(model, change))

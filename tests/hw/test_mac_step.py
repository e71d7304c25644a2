# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""MAC steps of weight-stationary arrays: registers change only the cycle in which a sum leaves."""

from dataclasses import replace

import numpy as np
import pytest

from hw.mac.step import MacStep
from hw.spec import parse_mac
from tests.support.compiled import compile_module

STEPS = 4000
#: Floating point in a frame and in a window, fixed point by carry chain and by tree, tensor cores.
FAST = ("e4m3,acc=fp32", "int8,acc=int20-sat")
MACS = (
    *FAST,
    "e5m2,acc=fp16-rtz,adder=prefix",
    "int8,acc=fp16",
    "e5m2,acc=bf16-ftz",
    "e4m3,acc=bf16,lanes=2",
    "e5m2",
    "e4m3,acc=fx32m10,lanes=3,adder=prefix",
    "int8,adder=carry-save",
    "int8,lanes=3",
    "e5m2xe4m3,acc=aligned:13,lanes=2",
)
CASES = [
    *(pytest.param(mac, (1, 4), id=mac) for mac in FAST),
    *(
        pytest.param(mac, (1, 2, 3, 4, 6), id=f"all of {mac}", marks=pytest.mark.slow)
        for mac in MACS
    ),
]


def draws(rng, width, count):
    """Random words of ``width`` bits, half of them of few bits so that terms are near sums."""
    raw = [int.from_bytes(rng.bytes(-(-width // 8)), "little") % (1 << width) for _ in range(count)]
    return [
        value >> int(rng.integers(width)) if odd else value
        for value, odd in zip(raw, rng.random(count) < 0.3, strict=True)
    ]


def sums_of(spec, folder, a, b, sums):
    """New sums of a step; operands enter earlier by the number of registers before the adder."""
    model = compile_module(MacStep(spec), folder)
    ahead = spec.pipeline - spec.adder_stages
    late = spec.loop_latency

    def rows(port, values, begin):
        words = np.zeros((len(values) + late, model.ports[port].words), np.uint64)
        for index, value in enumerate(values):
            for word in range(words.shape[1]):
                words[begin + index, word] = value >> 64 * word & (1 << 64) - 1
        return words if words.shape[1] > 1 else words[:, 0]

    found = model.run(
        {
            "en": np.ones(len(a) + late, np.uint64),
            "i_a": rows("i_a", a, 0),
            "i_b": rows("i_b", b, 0),
            "i_sum": rows("i_sum", sums, ahead),
        },
        outputs=["o_sum"],
    )["o_sum"]
    return np.asarray(found)[late:]


@pytest.mark.parametrize(("spelling", "pipelines"), CASES)
def test_registers_in_a_step_only_delay_it(spelling, pipelines, tmp_path):
    spec = parse_mac(spelling)
    rng = np.random.default_rng(3)
    a, b = (draws(rng, spec.lanes * fmt.width, STEPS) for fmt in (spec.a, spec.b))
    sums = draws(rng, len(MacStep(spec).i_sum), STEPS)
    wanted = sums_of(spec, tmp_path, a, b, sums)
    assert len(wanted) == STEPS
    assert len(np.unique(wanted, axis=0)) > STEPS // 4
    for pipeline in pipelines:
        got = sums_of(replace(spec, pipeline=pipeline), tmp_path, a, b, sums)
        wrong = np.flatnonzero((got != wanted).reshape(STEPS, -1).any(axis=1))
        assert not len(wrong), (spelling, pipeline, len(wrong), int(wrong[0]))

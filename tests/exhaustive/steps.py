# SPDX-License-Identifier: Apache-2.0
"""Results of a step for every accumulator: of RTL one by one, of a netlist 64 at a time."""

from pathlib import Path

import numpy as np

from hw.mac.floating import FloatStep
from hw.spec import MacSpec
from tests.exhaustive.slices import STATES, SlicedModel, planes
from tests.support.compiled import Change
from tests.support.float_steps import compile_step

__all__ = ["SlicedSteps", "WholeSteps"]


class WholeSteps:
    """Step of ``spec`` as it is, with each of the accumulators ``held``."""

    #: States that are worked on together: few enough to stay in a cache.
    block = 1 << 15

    def __init__(self, spec: MacSpec, folder: Path, change: Change, held: np.ndarray):
        self._held = held
        self._model = compile_step(spec, folder, "-O2", change=change)

    def results(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Codes (pairs, accumulators) for pairs of operand codes."""
        count = len(self._held)
        found = self._model.run({"i_acc": np.tile(self._held, len(a)), "i_a": np.repeat(a, count),
                                 "i_b": np.repeat(b, count)})
        return found["o_acc"].reshape(len(a), count)


class SlicedSteps:
    """Netlist of the step of ``spec``, with each of the accumulators ``held``."""

    block = 1 << 18

    def __init__(self, spec: MacSpec, folder: Path, change: Change, held: np.ndarray):
        self._count = len(held)
        self._widths = {"i_a": spec.a.width, "i_b": spec.b.width}
        # What fills up the last word is computed and left out.
        filled = np.concatenate([held, np.repeat(held[:1], -len(held) % STATES)])
        self._planes = planes(filled, spec.acc.width)
        self._model = SlicedModel(FloatStep(spec), folder, change)

    def results(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """As those of `WholeSteps`."""
        words = self._planes.shape[1]
        inputs = {"i_acc": np.tile(self._planes, len(a))}
        for name, codes in (("i_a", a), ("i_b", b)):
            bits = codes >> np.arange(self._widths[name], dtype=np.uint64)[:, None] & np.uint64(1)
            # All ones or all zeros: the same operand for 64 accumulators.
            inputs[name] = np.repeat(np.uint64(0) - bits, words, axis=1)
        return self._model.run(inputs, "o_acc").reshape(len(a), -1)[:, :self._count]

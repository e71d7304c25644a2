# SPDX-License-Identifier: Apache-2.0
"""Engines that compute a matrix product on an array: the models and the compiled RTL."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from hw.progress import Progress
from hw.spec import ArraySpec
from sim import backends
from sim.codes import NDArray
from sim.fast import uses_numba
from sim.linear import matmul, matmul_with_flags
from sim.outputs import output
from sim.tiling import ArrayProduct

#: Number of products in the first chunk of rows, and the target seconds between progress reports.
FIRST, SECONDS = 1 << 28, 0.5
#: ``scale`` and ``zero_point`` of output stages, as in `sim.output`.
Settings = Mapping[str, Any]
NONE: Settings = MappingProxyType({})


class Observer(Protocol):
    """Observes an array in each clock cycle; see `sim.cycle.matmul`."""

    def probe(self, array: Any) -> None:
        """Read the registers before a clock edge."""

    def watch(self, inputs: Any, outputs: Any) -> None:
        """Read the streams in the same cycle."""


#: Computes the product of codes (M, K) and (K, N).
Run = Callable[[NDArray, NDArray, Progress], ArrayProduct]


def _model(backend: str, spec: ArraySpec, progress: Progress, given: Settings = NONE) -> Run:
    """A backend of `sim.matmul`, with its code loaded. Cycles come from the closed form."""
    least = np.zeros((1, spec.mac.lanes), np.uint8)
    matmul(least, least.T, spec.mac, backend=backend)

    def run(a: NDArray, b: NDArray, progress: Progress) -> ArrayProduct:
        (rows, depth), cols = a.shape, b.shape[1]
        # Work on chunks of rows, sized so that progress can be reported.
        step, top = max(1, FIRST // (depth * cols)), 0
        parts = []
        progress(f"0 of {rows:,} rows")
        while top < rows:
            start = time.perf_counter()
            sums, flags = matmul_with_flags(a[top : top + step], b, spec.mac, backend=backend)
            if spec.out:
                raised = flags if spec.mac.flag_bits else None
                sums = output(sums, spec.out, flags=raised, **given)
                flags = np.zeros_like(flags)
            parts.append((sums, flags))
            top += step
            progress(f"{min(top, rows):,} of {rows:,} rows")
            seconds = max(time.perf_counter() - start, 1e-9)
            step = max(1, int(step * min(64, SECONDS / seconds)))
        sums, flags = (np.concatenate(part) for part in zip(*parts, strict=True))
        return ArrayProduct(sums, flags, spec.cycles(rows, depth, cols))

    return run


def _rtl(spec: ArraySpec, progress: Progress, given: Settings = NONE) -> Run:
    """The compiled RTL. Cycles are counted on its streams."""
    from sim.rtl import array

    progress.at_once(f"generating and compiling {spec.name}")
    model = array.compiled_array(spec)

    def run(a: NDArray, b: NDArray, progress: Progress) -> ArrayProduct:
        (m, k), n = a.shape, b.shape[1]
        progress.at_once(f"running {spec.cycles(m, k, n):,} clock cycles")
        return array.matmul(model, spec, a, b, **given)

    return run


def clocked(
    spec: ArraySpec, progress: Progress, given: Settings = NONE, observers: Sequence[Observer] = ()
) -> Run:
    """The cycle-accurate model, with observers. Cycles are counted."""
    from sim import cycle

    def probe(array: Any) -> None:
        for observer in observers:
            observer.probe(array)

    def watch(inputs: Any, outputs: Any) -> None:
        for observer in observers:
            observer.watch(inputs, outputs)

    def run(a: NDArray, b: NDArray, progress: Progress) -> ArrayProduct:
        (m, k), n = a.shape, b.shape[1]
        progress.at_once(f"simulating {spec.cycles(m, k, n):,} clock cycles")
        return cycle.matmul(
            a,
            b,
            spec,
            **given,
            probe=probe if observers else None,
            watch=watch if observers else None,
        )

    return run


def kernels() -> str:
    """What runs the loops of the fast backend: numba or numpy."""
    return "numba" if uses_numba() else "numpy"


class Engine(Protocol):
    """Prepares to run products on an array with given output-stage settings."""

    def __call__(self, spec: ArraySpec, progress: Progress, given: Settings = NONE) -> Run:
        """Return the function that computes products on the array."""


#: Engines by their names on the command line: all models, and two that run the array itself.
ENGINES: dict[str, Engine] = {
    **{name: partial(_model, name) for name in backends.BACKENDS},
    "cycle": clocked,
    "rtl": _rtl,
}
#: Default of all commands, and of `sim.matmul`.
DEFAULT_ENGINE = backends.DEFAULT

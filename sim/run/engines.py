# SPDX-License-Identifier: Apache-2.0
"""What can compute a matrix product on an array: the models, and the compiled RTL."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from hw.spec import ArraySpec
from sim.codes import NDArray
from sim.fast import uses_numba
from sim.linear import matmul, matmul_with_flags
from sim.outputs import output
from sim.progress import Progress
from sim.tiling import ArrayProduct

#: Products of the first rows that a model computes before it reports how far it is, and the
#: seconds after which it shall report again.
FIRST, SECONDS = 1 << 28, 0.5
#: ``scale`` and ``zero_point`` of output stages, as `sim.output` takes them.
Settings = Mapping[str, Any]
NONE: Settings = MappingProxyType({})


class Observer(Protocol):
    """Looks at an array clock by clock, as `sim.cycle.matmul` lets it."""

    def probe(self, array: Any) -> None:
        """Registers before a clock edge."""

    def watch(self, inputs: Any, outputs: Any) -> None:
        """Streams in the same cycle."""


#: Computes the product of codes (M, K) and (K, N).
Run = Callable[[NDArray, NDArray, Progress], ArrayProduct]


def _model(backend: str, spec: ArraySpec, progress: Progress, given: Settings = NONE) -> Run:
    """Backend of `sim.matmul`, with its code loaded; cycles are those of the closed form."""
    least = np.zeros((1, spec.mac.lanes), np.uint8)
    matmul(least, least.T, spec.mac, backend=backend)

    def run(a: NDArray, b: NDArray, progress: Progress) -> ArrayProduct:
        (rows, depth), cols = a.shape, b.shape[1]
        # Some rows at a time, so many that there is progress to report.
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
    """Compiled RTL, whose cycles are counted on its streams."""
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
    """Array clock by clock, whose cycles are counted and which observers look at."""
    from sim import cycle

    def probe(array: Any) -> None:
        for observer in observers:
            observer.probe(array)

    def watch(inputs: Any, outputs: Any) -> None:
        for observer in observers:
            observer.watch(inputs, outputs)

    def run(a: NDArray, b: NDArray, progress: Progress) -> ArrayProduct:
        (m, k), n = a.shape, b.shape[1]
        progress.at_once(f"stepping {spec.cycles(m, k, n):,} clock cycles")
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
    """What the fast model's loops are made with."""
    return "numba" if uses_numba() else "numpy"


class Engine(Protocol):
    """What makes itself ready for an array, given what its output stages take."""

    def __call__(self, spec: ArraySpec, progress: Progress, given: Settings = NONE) -> Run:
        """What computes products on the array."""


#: By the name on the command line.
ENGINES: dict[str, Engine] = {
    "fast": partial(_model, "fast"),
    "vector": partial(_model, "vector"),
    "cycle": clocked,
    "rtl": _rtl,
}
#: What all commands take unless another one is asked for.
DEFAULT_ENGINE = "fast"

# SPDX-License-Identifier: Apache-2.0
"""What a run on the array took, layer by layer and in all, and what it costs in energy."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hw.spec import ArraySpec, MacSpec
from sim.codes import NDArray

#: Files of records that hold units, in the order in which they are asked.
SOURCES = ("paper", "units")
#: Of normally distributed operands: what a product takes, and what its glitches take beside it.
PARTS = ("energy_gaussian", "energy_gaussian_glitches")


class Energy(NamedTuple):
    """Energy of one multiply-accumulation in pJ, and what it is known from."""

    pj: float
    source: str


def product_fj(metrics: Mapping[str, float]) -> float | None:
    """Energy of one multiply-accumulation in fJ, glitches included; None if it was not measured."""
    return sum(metrics[name] for name in PARTS) if metrics.keys() >= set(PARTS) else None


def recorded_energy(mac: MacSpec, folder: Path) -> Energy | None:
    """Energy of a unit by the records of units in ``folder``; None if there is none."""
    for name in SOURCES:
        path = folder / f"{name}.json"
        records = json.loads(path.read_text(encoding="utf-8"))["records"] if path.exists() else []
        for record in records:
            values = {key: metric["value"] for key, metric in record["metrics"].items()}
            fj = product_fj(values) if record["subject"] == mac.name else None
            if fj is not None:
                library = (record["provenance"]["library"] or {}).get("name", "no library")
                return Energy(fj / 1000, f"recorded of {mac.name} in {library}")
    return None


@dataclass(slots=True)
class Noise:
    """Powers of a signal and of what differs from it, added up."""

    signal: float = 0.0
    error: float = 0.0

    def add(self, exact: NDArray, coded: NDArray) -> None:
        """Count some numbers in FP32, and what quantised layers make of them."""
        with np.errstate(all="ignore"):
            reference = exact.astype(np.float64)
            self.signal += float((reference**2).sum())
            self.error += float(((coded - reference) ** 2).sum())

    @property
    def sqnr_db(self) -> float | None:
        """Signal to quantisation noise, in dB; None where there is no noise or no number."""
        if self.error == 0 or self.signal == 0 or not math.isfinite(self.error):
            return None
        return 10 * math.log10(self.signal / self.error)


@dataclass(slots=True)
class LayerResult:
    """One layer, all runs together.

    Attributes
    ----------
    name, operator
        The node.
    products, m, k, n
        Products of matrices of one run, and their sides.
    macs, cycles
        Products of numbers, and clock cycles of the array.
    own
        Noise that the layer adds: against FP32 on the same, quantised inputs.
    whole
        Noise at its output: against the network in FP32.
    """

    name: str
    operator: str
    products: int
    m: int
    k: int
    n: int
    macs: int = 0
    cycles: int = 0
    own: Noise = field(default_factory=Noise)
    whole: Noise = field(default_factory=Noise)

    def facts(self, array: ArraySpec, energy: Energy | None) -> dict[str, Any]:
        """The result as plain data; utilisation is a share, energy in nJ."""
        return {
            "name": self.name,
            "operator": self.operator,
            "products": self.products,
            "m": self.m,
            "k": self.k,
            "n": self.n,
            **_work(self.macs, self.cycles, array, energy),
            "sqnr_own_db": self.own.sqnr_db,
            "sqnr_db": self.whole.sqnr_db,
        }


@dataclass(slots=True)
class NetworkResult:
    """A network on an array.

    Attributes
    ----------
    array
        The array.
    layers
        Its layers in the order they run.
    outputs
        Outputs of the quantised network by name, one array a run.
    references
        The same in FP32, unless that was not asked for.
    """

    array: ArraySpec
    layers: list[LayerResult]
    outputs: dict[str, list[NDArray]]
    references: dict[str, list[NDArray]]

    @property
    def macs(self) -> int:
        """Products of numbers, all layers and runs."""
        return sum(layer.macs for layer in self.layers)

    @property
    def cycles(self) -> int:
        """Clock cycles of the array, layer after layer."""
        return sum(layer.cycles for layer in self.layers)

    @property
    def utilisation(self) -> float:
        """Share of the array's products that were wanted."""
        return _utilisation(self.macs, self.cycles, self.array)

    def sqnr_db(self, name: str) -> float | None:
        """Signal to quantisation noise of an output; None if there is none to tell."""
        noise = Noise()
        for exact, coded in zip(self.references.get(name, []), self.outputs[name], strict=False):
            if exact.dtype.kind == "f":
                noise.add(exact, coded)
        return noise.sqnr_db

    def facts(self, energy: Energy | None = None) -> dict[str, Any]:
        """Everything as plain data; ``energy`` is what one product takes."""
        source = {} if energy is None else {"energy_pj": energy.pj, "energy_source": energy.source}
        return {
            "array": self.array.name,
            **source,
            "layers": [layer.facts(self.array, energy) for layer in self.layers],
            "total": _work(self.macs, self.cycles, self.array, energy),
            "outputs": {
                name: {
                    "shape": list(runs[0].shape),
                    "runs": len(runs),
                    "sqnr_db": self.sqnr_db(name),
                }
                for name, runs in self.outputs.items()
            },
        }


def _utilisation(macs: int, cycles: int, array: ArraySpec) -> float:
    return macs / (cycles * array.rows * array.cols * array.mac.lanes) if cycles else 0.0


def _work(macs: int, cycles: int, array: ArraySpec, energy: Energy | None) -> dict[str, Any]:
    """Facts of some products on an array."""
    spent = {} if energy is None else {"energy_nj": macs * energy.pj / 1000}
    return {
        "macs": macs,
        "cycles": cycles,
        "utilisation": _utilisation(macs, cycles, array),
        **spent,
    }

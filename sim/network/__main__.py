# SPDX-License-Identifier: Apache-2.0
"""``python -m sim.network``: run an ONNX model on a simulated array, layer by layer."""

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

from hw.progress import Progress
from hw.spec import CATALOG, SpecError, folders
from hw.spec.command import Parser, add_unit_options, as_called, chosen_array, run_command
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
from sim.rtl import RtlError
from sim.run.engines import DEFAULT_ENGINE, ENGINES

SETTINGS = (
    "per=tensor|{} range=minmax|percentile|mse percentile=P scale=fp32|pow2 zero_point=no|yes"
)
WIDTH = 100
PROGRAM = "python -m sim.network"
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


def parser() -> Parser:
    parser = Parser(
        prog=PROGRAM,
        description=(
            f"Run an ONNX model on a systolic array. {', '.join(OPERATORS)} run on the array, "
            "bit-exact; all other operators are evaluated in FP32 by onnx's reference. Reports "
            "cycles, utilisation and quantisation noise of each layer."
        ),
        examples=(
            "model.onnx --data inputs.npz --mac e4m3 --array 16x16",
            "model.onnx --data inputs.npz --mac int8 --array 16x16 --weights per=channel,range=mse",
        ),
    )
    parser.add_argument("model", metavar="MODEL.onnx", type=Path, help="the FP32 model")
    parser.add_argument(
        "--data",
        metavar="FILE",
        type=Path,
        required=True,
        help="inputs: a .npz file with an array for each input, or a .npy file; samples on axis 0",
    )
    add_unit_options(parser)
    for name, shares in (("weights", "channel|block"), ("activations", "block")):
        parser.add_argument(
            f"--{name}",
            metavar="SETTINGS",
            default="",
            help=f"how to quantise {name}, settings separated by commas: "
            f"{SETTINGS.format(shares)} (default: the first of each)",
        )
    parser.add_argument(
        "--headroom",
        action="store_true",
        help="double the scales until all sums seen in calibration use at most half of the "
        "accumulator's range",
    )
    parser.add_argument(
        "--calibration",
        metavar="FILE",
        type=Path,
        help="inputs to choose the scales from (default: those of --data)",
    )
    parser.add_argument(
        "--quantizers",
        metavar="FILE",
        type=Path,
        help="read the scales from this JSON file instead",
    )
    parser.add_argument(
        "--save-quantizers", metavar="FILE", type=Path, help="write the scales to this JSON file"
    )
    parser.add_argument(
        "--samples", metavar="N", type=int, help="run the first N samples (default: all)"
    )
    parser.add_argument(
        "--batch", metavar="N", type=int, help="samples per run (default: all in one run)"
    )
    parser.add_argument(
        "--energy",
        metavar="PJ",
        type=float,
        help="energy of one multiply-accumulate in pJ, for the energy of each layer (default: "
        "from the record of the unit, if there is one)",
    )
    parser.add_argument(
        "--costs",
        metavar="FOLDER",
        type=Path,
        default=folders.RECORDS,
        help="records of measured units, with their energies (default: those of the project)",
    )
    parser.add_argument(
        "--backend",
        metavar="NAME",
        choices=list(ENGINES),
        default=DEFAULT_ENGINE,
        help=f"{', '.join(ENGINES)}; all give the same bits (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="write the outputs of all samples to this .npz file",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--list",
        action="store_true",
        help="list the supported operators and formats, and exit",
    )
    return parser


def _quantizers(
    options: argparse.Namespace,
    network: Network,
    plan: Plan,
    given: list[dict[str, Any]],
    progress: Progress,
) -> Quantizers:
    """Scales from a file, or chosen from data."""
    if options.quantizers is not None:
        for name in ("calibration", "headroom"):
            if getattr(options, name):
                raise SpecError(
                    f"--{name} chooses scales, but --quantizers already gives them; use only one"
                )
        return load_calibration(options.quantizers)
    if options.calibration is not None:
        data = load_data(options.calibration, network)
        given = feeds(network, data, batch=options.batch)
    return calibrate_network(network, given, plan, progress)


def _run(options: argparse.Namespace) -> NetworkResult:
    """Run the network and write the requested files."""
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
    progress.done()
    return result


def _show(options: argparse.Namespace) -> None:
    """Run the network and print the results."""
    result = _run(options)
    energy = (
        recorded_energy(result.array.mac, options.costs)
        if options.energy is None
        else Energy(options.energy, "as given")
    )
    facts = result.facts(energy)
    print(json.dumps(facts, indent=2) if options.json else _table(facts))


def _table(facts: Mapping[str, Any]) -> str:
    """`NetworkResult.facts` as text: one line per layer, the total, the outputs."""
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
    # Text is left-aligned, numbers are right-aligned.
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
        [
            (
                f"energy: {_plain(facts['energy_pj'])} pJ per multiply-accumulate, "
                f"{facts['energy_source']}"
            )
        ]
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
    """Output of --list, which needs no model or data; None without --list."""
    parser = Parser(prog=PROGRAM, add_help=False)
    for name in ("--list", "--json"):
        parser.add_argument(name, action="store_true")
    options, _ = parser.parse_known_args(arguments)
    if not options.list:
        return None
    words = {
        "on_array": "Operators on the array",
        "in_fp32": "Operators in FP32, evaluated by onnx's reference",
        "refused": "Operators that are not supported (they multiply matrices in other ways)",
        "formats": as_called("Operand formats (for details: python -m hw.spec --list)"),
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
    """Run the command. Returns 0, 1 if a tool failed, or 2 if the arguments or model are wrong."""
    listed = _listed(arguments)
    if listed is not None:
        return run_command(Parser(prog=PROGRAM), lambda _: print(listed), [])
    return run_command(parser(), _show, arguments, tool_errors=(RtlError,))


if __name__ == "__main__":
    sys.exit(main())

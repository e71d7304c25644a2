# SPDX-License-Identifier: Apache-2.0
"""``python -m sim.network``: an ONNX model on a simulated array, layer by layer."""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from hw.spec import ArraySpec, SpecError
from hw.spec.command import INTERRUPTED, Parser, add_unit_options, chosen_unit
from hw.spec.errors import require
from sim.files import whole_file
from sim.network.feeds import feeds, load_data
from sim.network.graph import LAYERS, Network, load
from sim.network.plan import Plan, Quantizers, calibrate_network
from sim.network.results import Outcome
from sim.network.run import run
from sim.network.silicon import Energy, recorded
from sim.network.store import load_calibration, save_calibration
from sim.network.supported import supported, supported_json
from sim.network.table import table
from sim.progress import Progress
from sim.rtl import RtlError
from sim.run.engines import ENGINES

__all__ = ["main"]

SETTINGS = ("per=tensor|{},range=minmax|percentile|mse,percentile=P,scale=fp32|pow2,"
            "zero_point=no|yes")


def _parser() -> Parser:
    parser = Parser(prog="python -m sim.network", description=(
        f"Run an ONNX model whose {', '.join(LAYERS)} are computed by a systolic array, bit for "
        "bit, and tell cycles, utilisation and quantisation noise of each. All other operators are "
        "evaluated in FP32 as onnx's reference defines them."))
    parser.add_argument("model", metavar="MODEL.onnx", type=Path, help="the model, in FP32")
    parser.add_argument("--data", metavar="FILE", type=Path, required=True,
                        help="inputs: .npz with arrays by name, or .npy; samples along axis 0")
    add_unit_options(parser, mac_required=True)
    _add_scales(parser)
    parser.add_argument("--samples", metavar="N", type=int,
                        help="run the first N samples (default: all)")
    parser.add_argument("--batch", metavar="N", type=int,
                        help="samples of each run (default: all in one)")
    parser.add_argument("--energy", metavar="PJ", type=float,
                        help="energy of one product, in pJ, to tell that of each layer (default: "
                             "that of the records of measured units, where there is one)")
    parser.add_argument("--backend", metavar="NAME", choices=list(ENGINES),
                        default=next(iter(ENGINES)),
                        help=f"what computes: {', '.join(ENGINES)} (default: %(default)s)")
    parser.add_argument("--out", metavar="FILE", type=Path,
                        help="write the outputs, samples joined, to this .npz file")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--list", action="store_true",
                        help="print the operators and formats that are supported, and stop")
    return parser


def _listed(arguments: Sequence[str] | None) -> str | None:
    """What --list prints; None if it is not given, which needs neither model nor data."""
    parser = Parser(prog="python -m sim.network", add_help=False)
    for name in ("--list", "--json"):
        parser.add_argument(name, action="store_true")
    options, _ = parser.parse_known_args(arguments)
    if not options.list:
        return None
    return supported_json() if options.json else supported()


def _add_scales(parser: Parser) -> None:
    """Add the options that say how tensors become codes."""
    for name, shares in (("weights", "channel|block"), ("activations", "block")):
        parser.add_argument(f"--{name}", metavar="SETTINGS", default="",
                            help=f"how {name} are quantised: {SETTINGS.format(shares)} (default: "
                                 "the first of each)")
    parser.add_argument("--headroom", action="store_true", help=(
        "double scales until the sums that calibration saw leave half of the accumulator's range "
        "free"))
    parser.add_argument("--calibration", metavar="FILE", type=Path,
                        help="inputs that scales are chosen from (default: those of --data)")
    parser.add_argument("--quantizers", metavar="FILE", type=Path,
                        help="take the scales from this JSON file instead")
    parser.add_argument("--save-quantizers", metavar="FILE", type=Path,
                        help="write the scales to this JSON file")


def _plan(options: argparse.Namespace) -> Plan:
    """Array and schemes that the options spell."""
    require(options.array is not None, "Array size", "given by --array ROWSxCOLS", options.array)
    array = chosen_unit(options)
    assert isinstance(array, ArraySpec)
    require(options.energy is None or 0 <= options.energy < math.inf, "Energy",
            "0 pJ or more", options.energy)
    return Plan(array=array, weights=options.weights, activations=options.activations,
                headroom=options.headroom)


def _quantizers(options: argparse.Namespace, network: Network, plan: Plan,
                given: list[dict[str, Any]], say: Progress) -> Quantizers:
    """Scales, from a file or from data."""
    if options.quantizers is not None:
        for name in ("calibration", "headroom"):
            require(not getattr(options, name), "Scales",
                    f"from --quantizers or from --{name}", "both")
        return load_calibration(options.quantizers)
    if options.calibration is not None:
        data = load_data(options.calibration, network)
        given = feeds(network, data, batch=options.batch)
    return calibrate_network(network, given, plan, say)


def _run(options: argparse.Namespace, say: Progress) -> Outcome:
    """Run, and write the files that are asked for."""
    plan = _plan(options)
    network = load(options.model)
    given = feeds(network, load_data(options.data, network), samples=options.samples,
                  batch=options.batch)
    with nullcontext() if options.out is None else whole_file(options.out) as file:
        quantizers = _quantizers(options, network, plan, given, say)
        if options.save_quantizers is not None:
            save_calibration(options.save_quantizers, quantizers)
        outcome = run(network, given, plan, quantizers, backend=options.backend, say=say)
        if file is not None:
            joined: dict[str, Any] = {
                name: np.concatenate(runs) if runs[0].ndim else np.stack(runs)
                for name, runs in outcome.outputs.items()}
            np.savez(file, **joined)
    return outcome


def _energy(options: argparse.Namespace, array: ArraySpec) -> Energy | None:
    """Energy of one product, given or recorded."""
    if options.energy is not None:
        return Energy(options.energy, "as given")
    return recorded(array.mac)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 if all went well, 1 if a tool failed, 2 for wrong arguments or models."""
    listed = _listed(arguments)
    if listed is not None:
        print(listed)
        return 0
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        outcome = _run(options, Progress())
        facts = outcome.facts(_energy(options, outcome.array))
    except SpecError as error:
        parser.error(str(error))
    except RtlError as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    print(json.dumps(facts, indent=2) if options.json else table(facts))
    return 0


if __name__ == "__main__":
    sys.exit(main())

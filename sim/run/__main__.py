# SPDX-License-Identifier: Apache-2.0
"""``python -m sim.run``: compute a matrix product on an array and report its cycles."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hw.progress import Progress
from hw.spec import ArraySpec, SpecError
from hw.spec.arrays import traffic
from hw.spec.command import (
    Parser,
    add_drain_options,
    add_unit_options,
    chosen_array,
    run_command,
)
from hw.spec.errors import require
from sim.codes import NDArray
from sim.files import whole_file
from sim.rtl import RtlError
from sim.run.engines import DEFAULT_ENGINE, ENGINES, Observer, clocked, kernels
from sim.run.operands import DISTRIBUTIONS, draw, load, parse_size, require_product
from sim.run.sums import checksum, relative_error, stage_of, write_result
from sim.trace.page import viewed
from sim.trace.waves import require_traceable, savefile, waves

#: Backend that simulates every clock cycle.
CLOCKED = "cycle"


def parser() -> Parser:
    parser = Parser(
        prog="python -m sim.run",
        description=(
            "Compute a matrix product bit-exactly as a systolic array does, and count its cycles."
        ),
        examples=(
            "--mac e4m3 --array 16x16 --size 64x64x64",
            "--mac e4m3xe5m2 --acc fp32 --lanes 4 --array 8x8 --dataflow ws --size 32x64x32",
            "--mac int8 --array 8x8 --size 32x32x32 --out-format int8 --out-scale pow2:-9",
            "--mac e4m3 --array 4x4 --a a.npy --b b.npy --out c.npz --trace waves.vcd",
        ),
    )
    add_unit_options(parser)
    add_drain_options(parser, values=True)
    parser.add_argument(
        "--size",
        metavar="MxKxN",
        help="size of the product A[M, K] @ B[K, N]; not needed with --a and --b",
    )
    for name in ("a", "b"):
        parser.add_argument(
            f"--{name}",
            metavar="FILE",
            type=Path,
            help=f".npy file with the codes of {name.upper()}: integers, or an array of ml_dtypes",
        )
    parser.add_argument(
        "--seed",
        metavar="N",
        type=int,
        help="seed of the random operands (default: 0)",
    )
    parser.add_argument(
        "--data",
        metavar="NAME",
        choices=list(DISTRIBUTIONS),
        help=f"distribution of the random operands: {', '.join(DISTRIBUTIONS)} "
        f"(default: {next(iter(DISTRIBUTIONS))})",
    )
    parser.add_argument(
        "--backend",
        metavar="NAME",
        choices=list(ENGINES),
        help=f"{', '.join(ENGINES)}; all give the same bits (default: "
        f"{DEFAULT_ENGINE}, or {CLOCKED} with --trace or --view)",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="write C to this file: values, codes and flags to a .npz file, codes to a .npy file; "
        "codes in two's complement are signed",
    )
    parser.add_argument(
        "--trace",
        metavar="FILE",
        type=Path,
        help="write waveforms of all registers to this VCD file, and a GTKWave savefile next to it",
    )
    parser.add_argument(
        "--view",
        metavar="FILE",
        type=Path,
        help="write an HTML page that animates the product, cycle by cycle, to this file",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


def _operands(
    options: argparse.Namespace, spec: ArraySpec, progress: Progress
) -> tuple[NDArray, NDArray]:
    """Codes of A and B: random, or from files whose shapes must match each other and ``--size``."""
    size = None if options.size is None else parse_size(options.size)
    if size is not None:
        require_product(spec, *size)
    files = [options.a, options.b]
    if files == [None, None]:
        if size is None:
            raise SpecError("Operands are missing: give --size MxKxN, or --a FILE and --b FILE")
        (m, k, n), data = size, options.data or next(iter(DISTRIBUTIONS))
        seed = 0 if options.seed is None else options.seed
        require(seed >= 0, "Seed", "0 or more", seed)
        return (
            draw(spec.mac.a, (m, k), data, [seed, 0], progress),
            draw(spec.mac.b, (k, n), data, [seed, 1], progress),
        )
    if None in files:
        raise SpecError("Only one operand file is given: give both --a and --b, or neither")
    if options.seed is not None or options.data is not None:
        raise SpecError(
            f"--{'seed' if options.data is None else 'data'} is for random operands: "
            "leave it out with --a and --b"
        )
    a, b = load(options.a, spec.mac.a, "Operand a"), load(options.b, spec.mac.b, "Operand b")
    require(
        b.shape[0] == a.shape[1],
        "Operand b shape",
        f"({a.shape[1]}, N) to match the K of operand a",
        b.shape,
    )
    sides = (*a.shape, b.shape[1])
    require(
        size in (None, sides), "Size", f"{'x'.join(map(str, sides))}, as in the files", options.size
    )
    return a, b


def _run(options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """Compute the product, write the requested files, and describe the run."""
    backend = options.backend or DEFAULT_ENGINE
    for name in ("trace", "view"):
        if getattr(options, name) is not None:
            if options.backend not in (None, CLOCKED):
                raise SpecError(
                    f"--{name} needs the backend {CLOCKED}: leave out --backend {options.backend}"
                )
            backend = CLOCKED
    spec = chosen_array(options)
    stage = stage_of(options, spec)
    given = stage.given if stage else {}
    a, b = _operands(options, spec, progress)
    (m, k), n = a.shape, b.shape[1]
    with ExitStack() as files:
        file = None if options.out is None else files.enter_context(whole_file(options.out))
        observers: list[Observer] = []
        if options.trace is not None:
            require_traceable(spec, spec.cycles(m, k, n))
            view = savefile(options.trace)
            if options.trace == view:
                raise SpecError(
                    f"Trace file {str(options.trace)!r} has the name of its GTKWave savefile: "
                    "choose another suffix, such as .vcd"
                )
            for name, path in (("out", options.out), ("view", options.view)):
                if path is not None and path.resolve() == view.resolve():
                    raise SpecError(
                        f"--{name} has the name of the GTKWave savefile that --trace writes, "
                        f"{str(view)!r}: choose another name"
                    )
            observers.append(files.enter_context(waves(options.trace, spec)))
        if options.view is not None:
            observers.append(files.enter_context(viewed(options.view, spec, m, k, n)))
        start = time.perf_counter()
        ready = (
            clocked(spec, progress, given, observers)
            if observers
            else ENGINES[backend](spec, progress, given)
        )
        started = time.perf_counter()
        product = ready(a, b, progress)
        seconds = time.perf_counter() - started
        error = relative_error(
            a, b, product.codes, product.flags, spec.mac, progress, stage.values if stage else None
        )
        if file is not None:
            write_result(file, options.out.suffix, product, spec, stage)
    moved = traffic(spec, m, k, n)
    return {
        "array": spec.name,
        "backend": backend,
        "kernels": kernels() if backend == "fast" else None,
        "m": m,
        "k": k,
        "n": n,
        "cycles": product.cycles,
        "utilisation": m * k * n / (product.cycles * spec.rows * spec.cols * spec.mac.lanes),
        "tiles": spec.tiles(m, n),
        "bytes": {"a": moved.a, "b": moved.b, "c": moved.c, "total": moved.total},
        "checksum": checksum(product.codes, product.flags, spec),
        "relative_rms_error": error,
        "start_up_s": started - start,
        "wall_s": seconds,
        "mac_per_s": m * k * n / seconds,
    }


def _table(run: dict[str, Any]) -> str:
    """The run as a table."""
    moved, error = run["bytes"], run["relative_rms_error"]
    rows = {
        "array": run["array"],
        "product": f"{run['m']}x{run['k']}x{run['n']}",
        "backend": run["backend"] + (f" ({run['kernels']})" if run["kernels"] else ""),
        "cycles": f"{run['cycles']:,}",
        "utilisation": f"{run['utilisation']:.1%}",
        "tiles": f"{run['tiles']:,}",
        "bytes moved": f"{moved['total']:,} (A {moved['a']:,}, B {moved['b']:,}, C {moved['c']:,})",
        "checksum": run["checksum"],
        "error": "none (no finite sum to compare)"
        if error is None
        else f"{error:.3g} (relative RMS, against FP64)",
        "time": f"{run['wall_s']:.3g} s after {run['start_up_s']:.3g} s to start, "
        f"{run['mac_per_s'] / 1e9:.3g} GMAC/s",
    }
    return "\n".join(f"{name:<13}{value}" for name, value in rows.items())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns 0, 1 if a tool failed, or 2 if the arguments are wrong."""
    return run_command(parser(), _body, arguments, tool_errors=(RtlError,))


def _body(options: argparse.Namespace) -> None:
    progress = Progress()
    try:
        run = _run(options, progress)
    except MemoryError as error:
        raise SpecError(
            f"The product{f' {options.size}' if options.size else ''} does not fit in memory: "
            "use a smaller size"
        ) from error
    progress.done()
    print(json.dumps(run, indent=2) if options.json else _table(run))
    written = [options.out, options.trace, options.trace and savefile(options.trace), options.view]
    if not options.json:
        print(*filter(None, written), sep="\n", end="\n" if any(written) else "")


if __name__ == "__main__":
    sys.exit(main())

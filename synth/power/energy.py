# SPDX-License-Identifier: Apache-2.0
"""Energy per multiply-accumulate of a mapped MAC or array, on a named stream of operands.

>>> measure_energy(map_to_cells(...), spec, library, "gaussian").per_mac
>>> measure_array_energy(map_to_cells(...), parse_array("4x4", mac), library, "gaussian").per_mac

The netlist is simulated on the stream, its sums are checked against `sim.matmul`, and the energy of
each change of each pin is taken from the tables of the library (`synth.power.transitions`). An
array multiplies several tiles without pauses, one beat of each operand per cycle, without stalls of
the results. Registers, sequencer and drain are included. Energy is counted over the middle tiles,
while every processing element is busy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import sim
from hw.spec import ArraySpec, Dataflow, MacSpec
from hw.spec.errors import require
from sim.codes import NDArray
from sim.run.sums import as_bits
from sim.tiling import Beats, C, beats
from synth.flow.clocks import find_clock, shown
from synth.flow.liberty import Library
from synth.flow.mapping import Mapped
from synth.flow.netlists import ports
from synth.power.activity import Bits, Netlist, Trace, read_netlist, simulate
from synth.power.glitches import with_glitches
from synth.power.stimulus import Stimulus, StimulusFile, read_stimulus
from synth.power.streams import DEPTH, Stream, make_stream
from synth.power.tables import Delays, read_tables
from synth.power.transitions import RunEnergy, run_energy
from synth.record import Metric, NotDone

#: Cycles that are simulated with glitches; without them, it is the whole stream.
GLITCH_CYCLES = 256
#: Dot products in a stream.
SUMS = 64
#: Conditions in a record: how energies were measured.
CONDITIONS = {
    "unit": "multiply-accumulation of a lane, leakage apart",
    "stream": f"{SUMS} sums of {DEPTH} pairs a lane, one a cycle",
    "delays": "none, so no glitches, but in _glitches: inertial, from the Liberty tables",
    "internal": "Liberty tables at slew and load, by condition and cause",
    "inputs and clock": "steep; the load of their pins is counted",
    "wires": "no load",
}


class NetlistMismatch(Exception):
    """A mapped netlist and the model differ. The message is one line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Energy:
    """Energy on a stream in joule per multiply-accumulate (of each lane).

    ``per_mac`` is the sum of ``internal`` (inside cells), ``switching`` (nets driven by cells),
    ``inputs`` and ``clock`` (pins on input and clock nets). ``registers`` is the part of it in
    flip-flops, including the clock. ``glitches`` is the additional energy with delays, None if not
    measured. ``leakage`` is in watt and not part of ``per_mac``. ``sums`` is the number of sums
    that were compared with the model.
    """

    unit: str
    stream: str
    macs: int
    sums: int
    toggles: float
    per_mac: float
    internal: float
    switching: float
    inputs: float
    clock: float
    registers: float
    glitches: float | None
    leakage: float
    by_instance: Mapping[str, float]

    def metrics(self) -> dict[str, Metric]:
        """The energy as metrics of a record, in fJ."""
        parts = {
            "": self.per_mac,
            "_internal": self.internal,
            "_switching": self.switching,
            "_inputs": self.inputs,
            "_clock": self.clock,
            "_registers": self.registers,
        }
        if self.glitches is not None:
            parts["_glitches"] = self.glitches
        by_name = {
            f"energy_{self.stream}{name}": Metric(significant(value * 1e15), "fJ")
            for name, value in parts.items()
        }
        return by_name | {f"toggles_{self.stream}": Metric(significant(self.toggles), "toggle")}


def measure_energy(
    mapped: Mapped,
    spec: MacSpec,
    library: Library,
    stream: str | Stream,
    *,
    sums: int = SUMS,
    glitches: bool = True,
) -> Energy:
    """Energy of the mapped unit ``spec`` on a stream.

    Parameters
    ----------
    mapped, library
        Netlist and the library that it was mapped to.
    spec
        What the netlist must compute.
    stream
        A name in `synth.power.streams.STREAMS`, or a `Stream`.
    sums
        Dot products of a stream given by name.
    glitches
        Whether to simulate with delays too, which takes longer than everything else.

    Raises
    ------
    NetlistMismatch
        If a sum or a flag is not that of `sim.matmul`.
    SpecError
        If the stream is unknown or the netlist has cells without a model.
    """
    operands = make_stream(stream, spec, sums) if isinstance(stream, str) else stream
    netlist = read_netlist(mapped.verilog, mapped.top, library)
    trace = run_stream(netlist, spec, operands)
    check_sums(trace, spec, operands)
    tables = read_tables(library, {instance.cell.name for instance in netlist.instances})
    delays = Delays(netlist, tables)
    run = run_energy(trace, delays, library.supply)
    extra = _glitch_energy(trace, delays, library) if glitches else None
    return _energy(netlist, spec, operands, trace, run, extra)


@dataclass(frozen=True, kw_only=True, slots=True)
class StimulusEnergy:
    """Energy on a stimulus in joule per cycle, or per operation if their number is given.

    The parts are as in `Energy`. ``outputs`` is the number of values of outputs that were compared
    with those of the stimulus, ``differing`` the number that differ, of which ``first`` names one.
    """

    cycles: int
    toggles: float
    per_unit: float
    internal: float
    switching: float
    inputs: float
    clock: float
    registers: float
    glitches: float
    outputs: int
    differing: int
    first: str

    def metrics(self) -> dict[str, Metric]:
        """The energy as metrics of a record, in fJ."""
        parts = {
            "": self.per_unit,
            "_internal": self.internal,
            "_switching": self.switching,
            "_inputs": self.inputs,
            "_clock": self.clock,
            "_registers": self.registers,
            "_glitches": self.glitches,
        }
        metrics = {
            f"energy_stimulus{name}": Metric(significant(value * 1e15), "fJ")
            for name, value in parts.items()
        }
        return metrics | {
            "toggles_stimulus": Metric(significant(self.toggles), "toggle"),
            "stimulus_cycles": Metric(self.cycles, "cycle"),
            "stimulus_outputs_checked": Metric(self.outputs, "value"),
            "stimulus_outputs_differing": Metric(self.differing, "value"),
        }


def measure_stimulus(
    mapped: Mapped, library: Library, file: StimulusFile, clock_port: str | None
) -> StimulusEnergy:
    """Energy of a mapped design on a stimulus, by the model of `measure_energy`.

    The first cycle sets the values of all nets and takes no energy. Flip-flops start at 0, and
    asynchronous resets act at the next edge.

    Raises
    ------
    NotDone
        If not all flip-flops store at the rising edge of one port, or the library has no voltage.
    SpecError
        If the stimulus does not fit the ports, or cells have no model.
    """
    if library.voltage is None:
        raise NotDone("the library gives no voltage")
    clocking = find_clock(mapped.verilog, library, clock_port)
    if clocking.port is None:
        raise NotDone("no flip-flops, so no clock that a stimulus could count")
    clock, table = shown(clocking.port), ports(mapped.verilog)
    is_port = any(shown(port.name) == clock for port in table)
    if not clocking.is_uniform or clocking.is_falling or not is_port:
        raise NotDone("a stimulus needs flip-flops at the rising edge of one port and no others")
    stimulus = read_stimulus(file, table, clock)
    netlist = read_netlist(mapped.verilog, mapped.top, library, clock)
    trace = simulate(netlist, stimulus.inputs)
    tables = read_tables(library, {instance.cell.name for instance in netlist.instances})
    delays = Delays(netlist, tables)
    run = run_energy(trace, delays, library.voltage)
    # A cycle is a step from the values of one to those of the next.
    units = file.operations or trace.cycles
    of_registers = [run.instances[register.name] for register in netlist.registers]
    outputs, differing, first = _compared(trace, stimulus)
    return StimulusEnergy(
        cycles=stimulus.cycles,
        toggles=sum(trace.toggles.values()) / units,
        per_unit=run.total / units,
        internal=sum(part.internal for part in run.instances.values()) / units,
        switching=sum(part.switching for part in run.instances.values()) / units,
        inputs=run.inputs / units,
        clock=run.clock / units,
        registers=(run.clock + sum(part.internal + part.switching for part in of_registers))
        / units,
        glitches=_glitch_energy(trace, delays, library) * run.total / units,
        outputs=outputs,
        differing=differing,
        first=first,
    )


def _compared(trace: Trace, stimulus: Stimulus) -> tuple[int, int, str]:
    """Values of outputs that the stimulus knows, how many the netlist gives otherwise, and one."""
    checked, differing, first = 0, 0, ""
    for name, wanted in stimulus.outputs.items():
        known = stimulus.known[name].all(axis=1)
        wrong = known & (trace.port(name) != wanted).any(axis=1)
        checked += int(known.sum())
        differing += int(wrong.sum())
        if wrong.any() and not first:
            first = f"{name} in cycle {int(np.flatnonzero(wrong)[0])}"
    return checked, differing, first


def _glitch_energy(trace: Trace, delays: Delays, library: Library) -> float:
    """Additional energy of glitches, relative to the energy without."""
    cycles = min(GLITCH_CYCLES, trace.cycles)
    calm = Trace(
        trace.netlist, {net: bits[: cycles + 1] for net, bits in trace.values.items()}, cycles
    )
    without = run_energy(calm, delays, library.supply).total
    total = sum(
        run_energy(part, delays, library.supply).total
        for part in with_glitches(trace, delays, cycles)
    )
    return total / without - 1


def _energy(
    netlist: Netlist,
    spec: MacSpec,
    stream: Stream,
    trace: Trace,
    run: RunEnergy,
    glitches: float | None,
) -> Energy:
    """Energies per multiply-accumulate."""
    macs = stream.sums * DEPTH * spec.lanes
    by_instance = {
        name: (part.internal + part.switching) / macs for name, part in run.instances.items()
    }
    return Energy(
        unit=spec.name,
        stream=stream.name,
        macs=macs,
        sums=stream.sums,
        toggles=sum(trace.toggles.values()) / macs,
        per_mac=run.total / macs,
        internal=sum(part.internal for part in run.instances.values()) / macs,
        switching=sum(part.switching for part in run.instances.values()) / macs,
        inputs=run.inputs / macs,
        clock=run.clock / macs,
        registers=run.clock / macs + sum(by_instance[r.name] for r in netlist.registers),
        glitches=None if glitches is None else glitches * run.total / macs,
        leakage=run.leakage,
        by_instance=by_instance,
    )


def run_stream(netlist: Netlist, spec: MacSpec, stream: Stream) -> Trace:
    """Simulate a netlist of ``spec`` on a stream: one pair per lane and cycle, without pauses."""
    cycles = stream.sums * DEPTH
    place = np.arange(cycles) % DEPTH
    inputs = {
        "i_valid": np.ones((cycles, 1), bool),
        "i_first": (place == 0)[:, None],
        "i_last": (place == DEPTH - 1)[:, None],
        "i_a": _bits(stream.a.reshape(cycles, spec.lanes), spec.a.width),
        "i_b": _bits(stream.b.reshape(cycles, spec.lanes), spec.b.width),
    }
    # The pipeline drains after the last pair; the last sum is read there.
    idle = {
        name: np.concatenate(
            [bits, np.repeat(bits[-1:] & (name != "i_valid"), spec.latency, axis=0)]
        )
        for name, bits in inputs.items()
    }
    return simulate(netlist, idle, piece=DEPTH)


def _bits(codes: npt.NDArray[Any], width: int) -> Bits:
    """Codes (cycles, lanes) as bits (cycles, lanes * width)."""
    bits = codes.astype(np.int64)[..., None] >> np.arange(width) & 1
    return bits.reshape(len(codes), -1).astype(bool)


def check_sums(trace: Trace, spec: MacSpec, stream: Stream) -> None:
    """Check sums and flags against the model. Raises NetlistMismatch if one differs."""
    ends = np.arange(1, stream.sums + 1) * DEPTH + spec.latency - 1
    names = [name for name in ("o_data", "o_flags") if name in trace.netlist.outputs]
    got = [_codes(trace.port(name)[ends]) for name in names]
    for index, (a, b, *sums) in enumerate(zip(stream.a, stream.b, *got, strict=True)):
        total, flags = sim.dot_with_flags(a, b, spec)
        wanted = [int(total) % (1 << spec.acc.width), int(flags)][: len(sums)]
        if sums != wanted:
            raise NetlistMismatch(
                f"Netlist of {spec.name} must give {tuple(wanted)} for sum "
                f"{index} of stream {stream.name}, not {tuple(sums)}"
            )


def _codes(bits: Bits) -> list[int]:
    """Rows of bits, low bit first, as numbers."""
    return [
        int.from_bytes(row.tobytes(), "little")
        for row in np.packbits(bits, axis=1, bitorder="little")
    ]


def significant(value: float) -> float:
    """Round to six significant digits, so that all machines write the same bytes."""
    return float(f"{value:.6g}")


#: Streams that can form matrices. In the streams of digits, all columns of a small product are
#: equal.
ARRAY_STREAMS = ("uniform", "gaussian", "zeros")
#: Tiles of a run. The first and last tile and the drain are not counted.
TILES = 4
#: Conditions in a record: how energies were measured.
ARRAY_CONDITIONS = CONDITIONS | {
    "unit": "multiply-accumulation of a lane of an element, its share of the array, no leakage",
    "stream": f"{TILES} tiles of {DEPTH} beats back to back, counted while all elements are busy",
    "delays": "none, so no glitches",
}
#: Cycles of reset before the first beat.
RESET = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class ArrayEnergy:
    """Energy in joule per multiply-accumulate of a fully used array.

    ``per_mac`` covers all cells, nets and pins. ``registers`` is the part of it in flip-flops,
    including the clock; ``clock`` is that of the clock alone. ``results`` is the number of results
    that were compared with the model.
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
        return {
            f"energy_{self.stream}{name}": Metric(significant(value * 1e15), "fJ")
            for name, value in parts.items()
        }


def has_array_energy(spec: ArraySpec) -> bool:
    """Whether the energy can be measured: no pauses between operands, and no output stages."""
    return spec.dataflow is Dataflow.OS and spec.out is None and spec.rows <= DEPTH


def measure_array_energy(
    mapped: Mapped, spec: ArraySpec, library: Library, stream: str
) -> ArrayEnergy:
    """Energy of the mapped array ``spec`` on matrices from a stream.

    Parameters
    ----------
    mapped, library
        Netlist, hierarchical or flat, and the library that it was mapped to.
    spec
        What the netlist must compute.
    stream
        One of `ARRAY_STREAMS`. Its sums are the rows of A and the columns of B.

    Raises
    ------
    NetlistMismatch
        If a result or a flag is not that of `sim.matmul`, or the array pauses.
    SpecError
        If the stream or the array is not supported, or cells have no model.
    """
    require(stream in ARRAY_STREAMS, "Stream", f"one of {', '.join(ARRAY_STREAMS)}", stream)
    require(
        has_array_energy(spec),
        "Array",
        f"output stationary, of at most {DEPTH} rows and without output stages",
        str(spec),
    )
    codes = make_stream(stream, spec.mac, max(TILES * spec.rows, spec.cols))
    a, b = codes.a[: TILES * spec.rows], codes.b[: spec.cols].T
    given = beats(spec, a, b)
    netlist = read_netlist(mapped.verilog, mapped.top, library)
    trace = _run_array(netlist, spec, given)
    _check_results(trace, spec, given, sim.matmul_with_flags(a, b, spec.mac))
    counted = _middle(trace, spec)
    tables = read_tables(library, {instance.cell.name for instance in netlist.instances})
    run = run_energy(counted, Delays(netlist, tables), library.supply)
    macs = counted.cycles * spec.rows * spec.cols * spec.mac.lanes
    stored = sum(
        run.instances[r.name].internal + run.instances[r.name].switching for r in netlist.registers
    )
    return ArrayEnergy(
        stream=stream,
        macs=macs,
        results=len(a) * spec.cols,
        per_mac=run.total / macs,
        registers=(run.clock + stored) / macs,
        clock=run.clock / macs,
    )


def _run_array(netlist: Netlist, spec: ArraySpec, given: Beats) -> Trace:
    """Simulate an array: reset, one beat per cycle, then drain."""
    sent = len(next(iter(given.last.values())))
    cycles = RESET + sent + spec.first_result(DEPTH * spec.mac.lanes) + spec.rows
    held = np.arange(cycles) < RESET
    busy = ~held & (np.arange(cycles) < RESET + sent)
    inputs = {"rst": held[:, None], f"{C}_tready": ~held[:, None]}
    for prefix, words in given.sources.items():
        width = len(netlist.inputs[f"{prefix}_tdata"])
        bits = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")[:, :width]
        columns = {
            "tvalid": np.ones((sent, 1), bool),
            "tdata": bits.astype(bool),
            "tlast": given.last[prefix][:, None],
        }
        for name, beat in columns.items():
            whole = np.zeros((cycles, beat.shape[1]), bool)
            whole[busy] = beat
            inputs[f"{prefix}_{name}"] = whole
    trace = simulate(netlist, inputs, piece=DEPTH)
    paused = [prefix for prefix in given.sources if not trace.port(f"{prefix}_tready")[busy].all()]
    if paused:
        raise NetlistMismatch(
            f"Netlist of {spec.name} did not accept a beat in every cycle on {paused[0]}"
        )
    return trace


def _check_results(
    trace: Trace, spec: ArraySpec, given: Beats, wanted: tuple[NDArray, NDArray]
) -> None:
    """Check the results of the array against the sums and flags of the model."""
    valid = trace.port(f"{C}_tvalid")[:, 0]
    fields = [("tdata", spec.slot_width, as_bits(wanted[0], spec.mac.acc.width), spec.result_width)]
    if spec.flag_bits:
        fields.append(("tuser", spec.flag_bits, wanted[1], spec.flag_bits))
    for name, slot, sums, width in fields:
        bits = trace.port(f"{C}_{name}")[valid].reshape(-1, spec.cols, slot)[..., :width]
        places = np.arange(width)
        model = given.rows_of(sums)[..., None] >> places.astype(sums.dtype) & 1
        if bits.shape != model.shape or (bits != model).any():
            raise NetlistMismatch(f"Netlist of {spec.name} must give the {name} of the model")


def _middle(trace: Trace, spec: ArraySpec) -> Trace:
    """The part of a run in which every processing element is busy in each cycle."""
    start = RESET + spec.passage
    stop = RESET + TILES * DEPTH
    cycles = (stop - start) // DEPTH * DEPTH
    return Trace(
        trace.netlist,
        {net: bits[start : start + cycles + 1] for net, bits in trace.values.items()},
        cycles,
    )

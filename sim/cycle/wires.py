# SPDX-License-Identifier: Apache-2.0
"""RTL names and bits of the registers of the cycle-accurate model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hw.spec import ArraySpec, Dataflow, FixedAccumulator, FloatAccumulator, MacSpec
from hw.spec.arrays import WeightStationary
from sim.codes import NDArray

#: Bits of a non-negative number in an int64.
WORD = 63


@dataclass(frozen=True, slots=True)
class Wires:
    """Registers of one width: their full names below the top, and a function that reads their bits.

    Bits are non-negative numbers, (names,): int64, or Python integers if that is too narrow.
    """

    names: Sequence[str]
    width: int
    read: Callable[[Any], NDArray]


def packed(codes: NDArray, width: int) -> NDArray:
    """Concatenate codes along the last axis, the first one in the low bits."""
    count = codes.shape[-1]
    if count == 1:
        return codes[..., 0]
    kind = np.int64 if count * width <= WORD else object
    places = np.arange(count).astype(kind) * width
    whole: NDArray = (codes.astype(kind) << places).sum(axis=-1)
    return whole


def wires(spec: ArraySpec) -> list[Wires]:
    """All registers of an array, except registers of products and inside adders of the MACs.

    Sums that the RTL holds as two vectors (carry-save) are not included.
    """
    return _SETS[spec.dataflow](spec) + _results(spec)


def _sums(mac: MacSpec, data: NDArray, flags: NDArray) -> NDArray:
    """Sums in two's complement, or codes, with the flags in the bits above."""
    width = mac.acc.width
    kind = np.int64 if width + mac.flag_bits <= WORD else object
    bits: NDArray = data.astype(kind) & (1 << width) - 1
    if mac.flag_bits:
        bits |= (flags.astype(kind) & (1 << mac.flag_bits) - 1) << width
    return bits


def _elements(spec: ArraySpec, name: str) -> list[str]:
    return [f"grid.row_{r}.pe_{c}.{name}" for r in range(spec.rows) for c in range(spec.cols)]


def _codes(spec: ArraySpec, name: str, width: int, of: str) -> Wires:
    """Codes of all elements, from the attribute ``of`` (rows, lanes, cols)."""
    return Wires(
        _elements(spec, name),
        spec.mac.lanes * width,
        lambda x: packed(np.moveaxis(getattr(x, of), 1, -1), width).ravel(),
    )


def _kept(spec: ArraySpec) -> bool:
    """Whether elements hold a sum as one number."""
    return spec.mac.latency == spec.mac.loop_latency


def _one(name: str, width: int, read: Callable[[Any], int]) -> Wires:
    kind = np.int64 if width <= WORD else object
    return Wires([name], width, lambda x: np.array([read(x)], kind))


def _skews(spec: ArraySpec, *, reverse_a: bool) -> list[Wires]:
    """Triangles of registers that skew operands."""
    registers = []
    for name, side, width, step in (
        ("a", spec.rows, spec.mac.a.width, spec.schedule.row_latency),
        ("b", spec.cols, spec.mac.b.width, 1),
    ):
        for d in range(1, (side - 1) * step + 1):
            left = side - -(-d // step)
            lanes = slice(0, left) if name == "a" and reverse_a else slice(side - left, side)
            registers.append(
                _delay(
                    f"grid.skew_{name}.delay_{d}",
                    f"skew_{name}",
                    d,
                    lanes,
                    width,
                    left * spec.mac.lanes,
                )
            )
    return registers


def _edges(spec: ArraySpec, name: str, width: int, read: Callable[[Any], NDArray]) -> Wires:
    """Signals that pass from row to row in the first column."""
    return Wires([f"grid.{name}_{r}" for r in range(1, spec.rows)], width, read)


def _delay(name: str, of: str, d: int, lanes: slice, width: int, count: int) -> Wires:
    return Wires(
        [name], count * width, lambda x: packed(getattr(x, of)[d - 1, lanes].reshape(1, -1), width)
    )


def _results(spec: ArraySpec) -> list[Wires]:
    """Registers on the path of results to C."""
    mac, width = spec.mac, spec.mac.acc.width + spec.mac.flag_bits
    registers = [
        Wires(
            [f"result_{c}.held" for c in range(spec.cols)],
            width,
            lambda x: _sums(mac, *x.results.held),
        )
    ]
    for d in range(1, spec.cols):
        registers.append(_align(mac, d, spec.cols - d, width))
    if not _kept(spec):
        registers.append(
            Wires(
                [f"grid.resolver_{c}.o" for c in range(spec.cols)],
                width,
                lambda x: _sums(mac, *x.results.resolved[0]),
            )
        )
    if spec.out:
        registers += [
            _one("handover.valid_q0", 1, lambda x: int(x.drain.valid)),
            _one("handover.last_q0", 1, lambda x: int(x.drain.last)),
        ]
        registers.append(
            Wires(
                [f"out_{c}.data_q1" for c in range(spec.cols)],
                spec.out.to.width,
                lambda x: x.drain.codes,
            )
        )
    return registers


def _align(mac: MacSpec, d: int, cols: int, width: int) -> Wires:
    return Wires(
        [f"grid.align_c.delay_{d}"],
        cols * width,
        lambda x: packed(_sums(mac, *x.results.align[:, d - 1, :cols])[None], width),
    )


def _output_stationary(spec: ArraySpec) -> list[Wires]:
    mac, width = spec.mac, spec.mac.acc.width + spec.mac.flag_bits
    registers = [
        _codes(spec, "a_q", mac.a.width, "a_q"),
        _codes(spec, "north_b", mac.b.width, "b_q"),
        Wires(_elements(spec, "frame_q"), 3, lambda x: x.frame_q.ravel()),
        Wires(_elements(spec, "fresh"), 1, lambda x: x.fresh.ravel()),
        Wires(_elements(spec, "mac.o_valid"), 1, lambda x: x.o_valid.ravel()),
    ]
    if _kept(spec):
        registers += [
            Wires(
                _elements(spec, "north_c"),
                width,
                lambda x: _sums(mac, x.result_q, x.result_flags).ravel(),
            ),
            Wires(
                _elements(spec, "mac.o_data"),
                mac.acc.width,
                lambda x: _sums(mac, x.acc, x.flags * 0).ravel(),
            ),
        ]
    if mac.flag_bits:
        registers.append(
            Wires(
                _elements(spec, "mac.o_flags"),
                mac.flag_bits,
                lambda x: x.flags.ravel() & (1 << mac.flag_bits) - 1,
            )
        )
    for stage in range(1, mac.pipeline + 1):
        registers += [_framed(spec, stage, place) for place in range(3)]
        if stage <= _operand_stages(mac):
            registers += [_operand(spec, stage, place) for place in range(2)]
    registers.append(_edges(spec, "frame", 3, lambda x: x.edge_frame))
    return registers + _skews(spec, reverse_a=True) + _drain_timing(spec)


def _framed(spec: ArraySpec, stage: int, place: int) -> Wires:
    name = ("valid", "first", "last")[place]
    return Wires(
        _elements(spec, f"mac.{name}_q{stage}"),
        1,
        lambda x: x.flight[stage - 1][2].ravel() >> place & 1,
    )


def _operand_stages(mac: MacSpec) -> int:
    """Number of pipeline stages that hold operands, not intermediate results."""
    if mac.is_fused:
        return mac.pipeline
    behind = 2 if isinstance(mac.acc, FixedAccumulator | FloatAccumulator) else 1
    return mac.pipeline - behind + (isinstance(mac.acc, FloatAccumulator) and mac.lanes == 1)


def _operand(spec: ArraySpec, stage: int, place: int) -> Wires:
    fmt = (spec.mac.a, spec.mac.b)[place]
    return Wires(
        _elements(spec, f"mac.{'ab'[place]}_q{stage}"),
        spec.mac.lanes * fmt.width,
        lambda x: packed(np.moveaxis(x.flight[stage - 1][place], 1, -1), fmt.width).ravel(),
    )


def _drain_timing(spec: ArraySpec) -> list[Wires]:
    """Registers of the output-stationary sequencer."""
    bits = {
        "opening": 1,
        "pending": spec.mac.loop_latency + spec.rows,
        "error": 1,
        "kept": 1,
        "kept_last": 1,
    }
    if spec.rows > 1:
        bits |= dict.fromkeys(("wait", "left"), (spec.rows - 1).bit_length())
    registers = [
        _timing("first" if name == "opening" else name, name, width) for name, width in bits.items()
    ]
    if spec.cols > 1:
        registers += [
            _timing(name, name, spec.cols - 1) for name in ("start_q", "shift_q", "finals_q")
        ]
    if not _kept(spec):
        registers.append(
            _one(
                "sequencer.resolving_0",
                2,
                lambda x: packed(np.array(x.sequencer.resolving, np.int64), 1)[0],
            )
        )
    return registers


def _timing(name: str, of: str, width: int) -> Wires:
    return _one(f"sequencer.{name}", width, lambda x: int(getattr(x.sequencer, of)))


def _weight_stationary(spec: ArraySpec) -> list[Wires]:
    mac, width = spec.mac, spec.mac.acc.width + spec.mac.flag_bits
    registers = [
        _codes(spec, "a_q", mac.a.width, "a_q"),
        *(_codes(spec, name, mac.b.width, name) for name in ("used", "waiting", "passed")),
        Wires(_elements(spec, "swap_q"), 1, lambda x: x.frame_q.ravel() & 1),
        Wires(_elements(spec, "load_q"), 1, lambda x: x.frame_q.ravel() >> 1),
    ]
    if _kept(spec):
        registers.append(
            Wires(
                _elements(spec, "step.o_sum"), width, lambda x: _sums(mac, x.acc, x.flags).ravel()
            )
        )
    registers += _memories(spec, width)
    step = spec.schedule.row_latency
    # Loads and swaps that pass from row to row.
    if step == 1:
        registers.append(_edges(spec, "frame", 2, lambda x: x.edge_swap | x.edge_load << 1))
    else:
        registers += [
            _edges(spec, "load", 1, lambda x: x.edge_load),
            _edges(spec, "swaps", step, lambda x: packed(x.edge_swap.reshape(-1, step), 1)),
        ]
    return registers + _skews(spec, reverse_a=False) + _weight_timing(spec)


def _memories(spec: ArraySpec, width: int) -> list[Wires]:
    """Registers of the memories of sums, without the stored words."""
    mac = spec.mac
    columns = [f"grid.memory.sums_{c}" for c in range(spec.cols)]
    address = ((spec.depth or 1) - 1).bit_length()
    places = np.array([0, 1, 2, 3, 4, 4 + address])
    registers = [
        Wires(
            [f"{c}.east_q" for c in columns],
            4 + 2 * address,
            lambda x: (x.control << places[:, None]).sum(axis=0),
        )
    ]
    if _kept(spec):
        registers += [
            Wires([f"{c}.before" for c in columns], width, lambda x: _sums(mac, *x.before)),
            Wires([f"{c}.now__data" for c in columns], width, lambda x: _sums(mac, *x.read)),
        ]
    return registers


def _weight_timing(spec: ArraySpec) -> list[Wires]:
    """Registers of the weight-stationary sequencer."""
    times = WeightStationary(spec)
    through = times.down + times.entry
    to_c = through + spec.cols - 1 + spec.mac.latency - spec.mac.loop_latency
    address = ((spec.depth or 1) - 1).bit_length()
    bits = {
        "loaded": spec.rows.bit_length(),
        "opened": 1,
        "write": through,
        "leave": to_c,
        "end": to_c,
        "recent": 1,
        "error": 1,
        "kept": 1,
        "kept_last": 1,
        "wait": (times.down - 1).bit_length(),
        "start": times.entry,
        "swaps_left": max(times.load_wait - 1, 0).bit_length(),
    }
    registers = [_timing(name, name, width) for name, width in bits.items() if width]
    registers.append(_timing("address", "place", address))
    names = ["row", *(f"row_q{stage}" for stage in range(times.entry))]
    return registers + [_row(name, place, address) for place, name in enumerate(names)]


def _row(name: str, place: int, width: int) -> Wires:
    return _one(f"sequencer.{name}", width, lambda x: x.sequencer.rows[place])


_SETS: dict[Dataflow, Callable[[ArraySpec], list[Wires]]] = {
    Dataflow.OS: _output_stationary,
    Dataflow.WS: _weight_stationary,
}

# SPDX-License-Identifier: Apache-2.0
"""Whether a mutant of a netlist is equivalent: its outputs never differ from the original's.

A solver compares both: they start from the same state with the same inputs; if outputs and next
states can not differ, no sequence of inputs tells them apart. If they can, ABC, which Yosys brings,
looks at more than one cycle: registers that are equal in both, or follow from others, are merged by
induction; for what is left an invariant is searched by property directed reachability.
"""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyosys
import z3

from hw.emit.netlist import Port
from hw.emit.yosys import run_yosys
from hw.mac.align_window import AlignWindow
from hw.spec import AlignedAccumulator, FloatAccumulator, Format, MacSpec
from tests.formal.netlist import Circuit, Terms, read_verilog, vector
from tests.mutation.netlist import SELECT, MutatedNetlist

#: Condition on outputs, which are registers: it holds in every state that can be reached.
#: The argument gives the value of an output by its name.
States = Callable[[Callable[[str], z3.BitVecRef]], z3.BoolRef]
Condition = z3.BoolRef | bool

FIRST_MS, TIMEOUT_MS, STEP_MS = 5_000, 60_000, 1_000
#: Number of unsolved steps after which the solver gives up.
MAX_UNKNOWN = 10
EQUAL = "proven: equal outputs and next states from every state"
SEQUENCES = "proven: equal outputs, while they are valid, in every sequence from power-up"
#: Signals of a MAC that hold the sum, and why their value after a reset does not matter.
SUMS = ("o_data", "o_flags")
UNREAD = "they mean nothing without o_valid, and i_first starts the next sum without them"

ABC = Path(pyosys.__file__).with_name("yosys-abc")
SECONDS = 60
#: Ends of the names of outputs that count only while another one is high, and that one's.
COUNTS_WHILE = {
    "tdata": "tvalid",
    "tlast": "tvalid",
    "tuser": "tvalid",
    "data": "valid",
    "flags": "valid",
}
_SCRIPT = """read_verilog mutated.v pair.v
hierarchy -check -top pair
proc
flatten
opt
techmap
opt
setundef -init -zero
dfflegalize -cell $_DFF_P_ 01 -mince 1000000 -minsrst 1000000
techmap
opt_clean
aigmap
write_aiger -zinit pair.aig"""


class Equivalence:
    """Compares a netlist's mutations with the original.

    Parameters
    ----------
    netlist
        With its mutations.
    states
        What is known of the states that the unit can be in; None for nothing.
    """

    def __init__(self, netlist: MutatedNetlist, states: States | None):
        self._circuit: Circuit = read_verilog(netlist.verilog, netlist.top)
        self._known = {
            net: z3.Bool(f"{name}[{bit}]")
            for name, bits in self._circuit.inputs.items()
            for bit, net in enumerate(bits)
        }
        self._known |= {
            net: z3.Bool(f"{name}[{bit}]") for net, (name, bit) in self._circuit.names.items()
        }
        self._netlist, self._states = netlist, states
        self._seen = {net for bits in self._circuit.outputs.values() for net in bits}
        self._seen |= set(self._circuit.registers.values())
        self._sound = self._circuit.evaluate(Terms(), self._inputs(0))

    def reason(self, place: int) -> str:
        """Why mutation ``place`` changes nothing; empty if it does, or if that is not known."""
        reachable = self._states(self._signal) if self._states else True
        for known, where in ((True, ""), (reachable, " that can be reached")):
            if self._shown(place, known, {}):
                return f"{EQUAL}{where}"
        if _equal_in_sequences(self._netlist, place):
            return SEQUENCES
        reset = self._known[self._circuit.inputs["rst"][0]]
        sums = {
            self._circuit.registers[net]: z3.Not(reset)
            for net, (name, _) in self._circuit.names.items()
            if name.rpartition(".")[2] in SUMS
        }
        if self._shown(place, reachable, sums):
            return f"{EQUAL}, but for sums behind a reset: {UNREAD}"
        return ""

    def _shown(self, place: int, known: Condition, only: Mapping[int, z3.BoolRef]) -> bool:
        """Whether all outputs and next states are equal; ``only`` restricts nets to a condition.

        If the solver does not know at once, it takes the netlist gate by gate.
        """
        for by_steps in (False, True):
            values = self._mutated_values(place, known if by_steps else None)
            differ = [
                z3.And(_differ(self._sound[net], values[net]), only.get(net, True))
                for net in self._seen
                if not _same(self._sound[net], values[net])
            ]
            outcome = _solve(differ, known, TIMEOUT_MS if by_steps else FIRST_MS)
            if outcome != z3.unknown:
                return outcome == z3.unsat
        return False

    def _inputs(self, place: int) -> dict[int, Condition]:
        """Values of inputs and registers where a mutation is selected."""
        return self._known | {
            net: bool(place >> bit & 1) for bit, net in enumerate(self._circuit.inputs[SELECT])
        }

    def _mutated_values(self, place: int, known: Condition | None) -> dict[int, Any]:
        """Values of all nets under one mutation.

        Unless ``known`` is None, a net that is shown to be equal where it holds has the sound
        value: the proof of the whole is then no harder than its steps.
        """
        values, sound = {0: False, 1: True} | self._inputs(place), self._sound
        unknown = 0
        for gate in self._circuit.gates:
            if all(_same(values[net], sound[net]) for net in gate.inputs):
                values[gate.out] = sound[gate.out]
                continue
            alone = replace(self._circuit, gates=(gate,))
            value = alone.evaluate(Terms(), {net: values[net] for net in gate.inputs})[gate.out]
            steps = known is not None and unknown < MAX_UNKNOWN
            if steps and not _same(sound[gate.out], value):
                outcome = _solve([_differ(sound[gate.out], value)], known, STEP_MS)
                unknown += outcome == z3.unknown
                if outcome == z3.unsat:
                    value = sound[gate.out]
            values[gate.out] = value
        return values

    def _signal(self, name: str) -> z3.BitVecRef:
        """Value of an output in both."""
        return vector([self._sound[net] for net in self._circuit.outputs[name]])


def _solve(
    conditions: Sequence[z3.BoolRef], known: Condition, timeout_ms: int
) -> z3.CheckSatResult:
    """Whether any of the conditions can hold where ``known`` does."""
    solver = z3.Solver()
    solver.set("timeout", timeout_ms)
    solver.add(z3.Or(*conditions), known)
    return solver.check()


def _differ(x: Any, y: Any) -> z3.BoolRef:
    """Whether two values can differ; equal terms are not given to the solver."""
    if isinstance(x, bool) and isinstance(y, bool):
        return z3.BoolVal(x != y)
    return z3.Xor(x, y)


def _same(x: Any, y: Any) -> bool:
    """Whether two values are the same term."""
    if isinstance(x, bool) or isinstance(y, bool):
        return x is y
    return bool(x.eq(y))


def _equal_in_sequences(netlist: MutatedNetlist, place: int) -> bool:
    """Whether outputs are equal, while they count, in all sequences of inputs from power-up."""
    (netlist.folder / "pair.v").write_text(_pair(netlist, place))
    run_yosys(_SCRIPT, cwd=netlist.folder)
    done = subprocess.run(
        [ABC, "-c", f"read pair.aig; scorr; pdr -T {SECONDS}; print_stats"],
        cwd=netlist.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    # Where the induction merges all, nothing is left to prove or to be asserted.
    merged = "lat =    0  and =      0" in done.stdout and "asserted" not in done.stdout
    return merged or "Property proved" in done.stdout


def _pair(netlist: MutatedNetlist, place: int) -> str:
    """Verilog of both side by side; ``bad`` is high where an output differs that counts."""
    inputs = [port for port in netlist.ports if port.direction == "input" and port.name != SELECT]
    outputs = [port for port in netlist.ports if port.direction == "output"]
    lines = [
        f"module pair({', '.join(port.name for port in inputs)}, bad);",
        *(f"input {_range(port)} {port.name};" for port in inputs),
        "output bad;",
    ]
    for name, selected in (("sound", 0), ("mutated", place)):
        lines += [f"wire {_range(port)} {name}_{port.name};" for port in outputs]
        wires = [
            *(f".{port.name}({port.name})" for port in inputs),
            f".{SELECT}({selected})",
            *(f".{port.name}({name}_{port.name})" for port in outputs),
        ]
        lines.append(f"{netlist.top} {name}({', '.join(wires)});")
    differ = [_differs(port.name, outputs) for port in outputs]
    return "\n".join([*lines, f"assign bad = {' | '.join(differ)};", "endmodule", ""])


def _range(port: Port) -> str:
    return f"[{port.width - 1}:0]"


def _differs(name: str, outputs: Sequence[Port]) -> str:
    """Condition under which an output differs and counts."""
    start, _, end = name.rpartition("_")
    counts = f"{start}_{COUNTS_WHILE.get(end)}"
    known = f"sound_{counts} & " if counts in {port.name for port in outputs} else ""
    return f"({known}(sound_{name} != mutated_{name}))"


def held_sums(spec: MacSpec) -> States | None:
    """Values that an accumulator can hold; None for fixed point, which can hold any."""
    if isinstance(spec.acc, AlignedAccumulator):
        return lambda signal: _holds_aligned(spec, signal("o_data"))
    if isinstance(spec.acc, FloatAccumulator):
        return lambda signal: _holds(AlignWindow(spec), signal("o_data"))
    return None


def aligned_top(spec: MacSpec) -> int:
    """Exponent of a power of two that no finite sum of aligned terms reaches.

    Products are below ``2**above``. A sum from ``2**(above + frac_bits)`` on truncates all of them
    to zero and stays as it is; a smaller one grows by less than a product a lane.
    """
    units = [max(fmt.max_units, -fmt.min_units) for fmt in (spec.a, spec.b)]
    above = (units[0] * units[1]).bit_length() + spec.product_lsb
    return above + ((1 << spec.acc.frac_bits) + spec.lanes - 1).bit_length()


def _holds_aligned(spec: MacSpec, code: z3.BitVecRef) -> z3.BoolRef:
    """Whether an aligned accumulator can hold ``code``.

    Terms and sums are truncated to multiples of powers of two, so they stay multiples of what all
    products are multiples of.
    """
    acc, fmt = spec.acc, spec.acc.fmt
    magnitude = z3.Extract(fmt.magnitude_bits - 1, 0, code)
    highest = min(_power(fmt, aligned_top(spec) - fmt.lsb_exp), fmt.inf_code)
    dropped = (1 << fmt.man_bits - acc.fraction_bits) - 1
    finite = z3.And(
        z3.ULT(magnitude, highest),
        magnitude & dropped == 0,
        _is_multiple(fmt, spec.product_lsb, magnitude),
        z3.Implies(magnitude == 0, code == 0),
    )
    return z3.Or(finite, magnitude == fmt.inf_code, code == acc.nan_code)


def _holds(frame: AlignWindow, code: z3.BitVecRef) -> z3.BoolRef:
    """Whether the accumulator can hold ``code``."""
    fmt = frame.fmt
    sign = z3.Extract(fmt.width - 1, fmt.width - 1, code) == 1
    magnitude = z3.Extract(fmt.magnitude_bits - 1, 0, code)
    is_zero, special = magnitude == 0, z3.UGE(magnitude, fmt.inf_code)
    number = [_is_multiple(fmt, frame.lsb_exp, magnitude)]
    if not frame.spec.acc.subnormals:
        number.append(z3.UGE(magnitude, 1 << fmt.man_bits))
    if not frame.overflows:
        number.append(z3.ULE(magnitude, _power(fmt, frame.top - fmt.lsb_exp)))
    return z3.And(
        z3.Or(frame.has_negative, z3.Not(sign)),
        z3.If(
            special,
            _special(frame, code, magnitude),
            z3.If(is_zero, z3.Or(frame.has_minus_zero, z3.Not(sign)), z3.And(number)),
        ),
    )


def _special(frame: AlignWindow, code: z3.BitVecRef, magnitude: z3.BitVecRef) -> z3.BoolRef:
    """Whether the accumulator can hold an infinity, or the only NaN."""
    inf = frame.to_inf or frame.inf_terms
    nan = frame.inf_terms or frame.nan_terms
    return z3.Or(
        z3.And(inf, magnitude == frame.fmt.inf_code), z3.And(nan, code == frame.fmt.nan_code)
    )


def _is_multiple(fmt: Format, lsb: int, magnitude: z3.BitVecRef) -> z3.BoolRef:
    """Whether a finite magnitude is a multiple of ``2**lsb_exp``."""
    places = lsb - fmt.lsb_exp
    field = z3.LShR(magnitude, fmt.man_bits)
    man = magnitude & (1 << fmt.man_bits) - 1
    sig = z3.If(field == 0, man, man | 1 << fmt.man_bits)
    exp = z3.If(field == 0, field, field - 1)
    # In units of the format a significand ends `exp` places up.
    return z3.And(
        [
            z3.Implies(exp == low, sig & (1 << min(places - low, fmt.precision)) - 1 == 0)
            for low in range(places)
        ]
    )


def _power(fmt: Format, exp: int) -> int:
    """Code of two to a power, in units of the format."""
    return 1 << exp if exp < fmt.man_bits else exp - fmt.man_bits + 1 << fmt.man_bits

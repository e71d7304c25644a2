# SPDX-License-Identifier: Apache-2.0
"""Control of a product from start to done: check of the sizes, cycle counter, interrupt."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.spec import GemmSpec
from hw.spec.registers import BUS_BITS


class Limits(wiring.Component):
    """Compares the words that a product needs in each memory with the depths, one bit per cycle.

    First all sizes are divided by those of a tile, rounding up, then multiplied to get the words.
    Latency from ``start`` to ``done`` is ``2 * (spec.size_bits + 1) + 1`` cycles.

    Members
    -------
    start, holds
        Start; ``m``, ``k``, ``n`` and ``holds`` must not change from the next cycle to ``done``.
    m, k, n
        Sizes of the product.
    done, wrong
        The check ends in this cycle; the sizes are refused.
    zero, size_a, size_b, size_c, hold
        The reason, in the same cycle; see ERROR in `hw.spec.registers`.
    across
        Tiles in a row of tiles of C; valid until the next start.
    beats, steps
        MAC steps that K takes, and words of A that K takes; valid as ``across``. Only if listed in
        ``counts``.
    """

    def __init__(self, spec: GemmSpec, counts: tuple[str, ...] = ()):
        self._spec, self._counts = spec, counts
        self._steps = spec.size_bits + 1
        super().__init__(
            {
                "start": In(1),
                "holds": In(1),
                "hold": Out(1),
                "m": In(BUS_BITS),
                "k": In(BUS_BITS),
                "n": In(BUS_BITS),
                "done": Out(1),
                "wrong": Out(1),
                "zero": Out(1),
                "size_a": Out(1),
                "size_b": Out(1),
                "size_c": Out(1),
                "across": Out(self._steps),
                **{name: Out(self._steps) for name in counts},
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"limits_{self._spec.tiling}_k{self._spec.array.mac.lanes}_{self._spec.depths}"

    def elaborate(self, platform):
        m = Module()
        left, active = Signal(range(2 * self._steps + 1)), Signal()
        divide = left > self._steps
        with m.If(self.start):
            m.d.sync += [left.eq(2 * self._steps), active.eq(1)]
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        with m.Else():
            m.d.sync += active.eq(0)
        down, beats, steps, across = self._divide(m, divide)
        multiply = active & ~divide & (left != 0)
        words = {
            "a": self._product(m, "a", down, steps, multiply),
            "b": self._product(m, "b", across, beats, multiply),
            "c": self._product(m, "c", across, self.m[: self._steps], multiply),
        }
        for rotated in (down, across):
            with m.If(multiply):
                m.d.sync += rotated.eq(rotated.rotate_left(1))
        m.d.comb += [
            self.done.eq(active & (left == 0)),
            self.across.eq(across),
            self.wrong.eq(Cat(self.zero, self.size_a, self.size_b, self.size_c, self.hold).any()),
            self.hold.eq(
                self.done
                & self.holds
                & (self._beyond_tile(down) | (across > 1))
                & ~Cat(self.zero, self.size_a, self.size_b, self.size_c).any()
            ),
        ]
        self._compare(m, words)
        return m

    def _divide(self, m, divide):
        """Blocks of rows of A, MAC steps of K, words of A that K takes, tiles in a row."""
        array = self._spec.array
        rows, deep = array.schedule.a_block
        down = self._divided(m, "down", self.m, rows, divide)
        beats = self._divided(m, "beats", self.k, array.mac.lanes, divide)
        steps = (
            beats if deep == array.mac.lanes else self._divided(m, "steps", self.k, deep, divide)
        )
        for name, count in (("beats", beats), ("steps", steps)):
            if name in self._counts:
                m.d.comb += getattr(self, name).eq(count)
        return down, beats, steps, self._divided(m, "across", self.n, array.cols, divide)

    def _beyond_tile(self, down):
        """Whether C has more rows than one tile."""
        schedule = self._spec.array.schedule
        return down > schedule.height // schedule.a_block[0]

    def _divided(self, m, name: str, size, divisor: int, divide):
        """Register that holds ``ceil(size / divisor)`` after the last step of the division."""
        quotient = Signal(self._steps, name=name)
        rest = Signal(range(divisor), name=f"{name}_rest")
        trial = Cat(quotient[-1], rest)
        fits = trial >= divisor
        with m.If(self.start):
            m.d.sync += [quotient.eq(size[: self._spec.size_bits] + (divisor - 1)), rest.eq(0)]
        with m.Elif(divide):
            m.d.sync += [
                quotient.eq(Cat(fits, quotient[:-1])),
                rest.eq(Mux(fits, trial - divisor, trial)),
            ]
        return quotient

    def _product(self, m, name: str, rotated, factor, multiply):
        """Register that holds the product when the register ``rotated`` has gone round once."""
        words = Signal(2 * self._steps, name=f"{name}_words")
        with m.If(self.start):
            m.d.sync += words.eq(0)
        with m.Elif(multiply):
            m.d.sync += words.eq((words << 1) + Mux(rotated[-1], factor, 0))
        return words

    def _compare(self, m, words):
        """Words against depths; sizes with more bits than were counted fit no memory."""
        zero = (self.m == 0) | (self.k == 0) | (self.n == 0)
        m.d.comb += self.zero.eq(self.done & zero)
        wide = {size: getattr(self, size)[self._spec.size_bits :].any() for size in "mkn"}
        for name, sizes in (("a", "mk"), ("b", "kn"), ("c", "mn")):
            depth = getattr(self._spec, f"depth_{name}")
            beyond = (words[name] > depth) | wide[sizes[0]] | wide[sizes[1]]
            m.d.comb += getattr(self, f"size_{name}").eq(self.done & ~zero & beyond)


class Control(wiring.Component):
    """Runs a product after the check of its sizes, counts cycles, and raises the interrupt.

    Parameters
    ----------
    errors
        Number of error bits.

    Members
    -------
    start, hold
        Write to ``start``, never while ``busy``; ``hold``: keep the sums in the array.
    checked, wrong
        The check ends in this cycle; the sizes are refused.
    run
        The product starts.
    ended
        The last row of C is written or, with hold, the sums of the last beat are final.
    holds, held
        Whether this product keeps its sums; whether the array holds sums of earlier products.
    busy
        Between ``start`` and the end.
    cycles
        Cycles from ``start`` to the first cycle that is not busy.
    done, errors, done_enable, error_enable, irq
        Fields of STATUS, ERROR and IRQ_ENABLE, and the interrupt.
    """

    def __init__(self, errors: int):
        super().__init__(
            {
                "start": In(1),
                "hold": In(1),
                "holds": Out(1),
                "held": Out(1),
                "checked": In(1),
                "wrong": In(1),
                "run": Out(1),
                "ended": In(1),
                "busy": Out(1),
                "cycles": Out(BUS_BITS),
                "done": In(1),
                "errors": In(errors),
                "done_enable": In(1),
                "error_enable": In(1),
                "irq": Out(1),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return "gemm_control"

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [
            self.run.eq(self.checked & ~self.wrong),
            self.irq.eq(self.done & self.done_enable | self.errors.any() & self.error_enable),
        ]
        with m.If(self.start):
            m.d.sync += [self.busy.eq(1), self.cycles.eq(1), self.holds.eq(self.hold)]
        with m.Elif(self.busy):
            m.d.sync += [
                self.busy.eq(~(self.ended | (self.checked & self.wrong))),
                self.cycles.eq(self.cycles + 1),
            ]
            with m.If(self.ended):
                m.d.sync += self.held.eq(self.holds)
        return m

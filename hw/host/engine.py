# SPDX-License-Identifier: Apache-2.0
"""Runs products that fit in an engine's memories, through its registers and memory windows."""

import time

from hw.host.exchange import DeviceError, DeviceReset, Exchange, Refused
from hw.host.words import BusWords, Codes, a_words, b_words, c_values
from hw.spec import GemmSpec
from hw.spec.errors import require
from hw.spec.registers import Access, gemm_map

#: Seconds that a product may take in addition to its cycles.
PATIENCE = 5.0
#: How many times slower than its clock an engine may be, as it may be simulated.
SLOWEST = 1000
STARTS = 3


class Engine:
    """Fills the memories, starts products, waits, reads C, and checks the state after each.

    Parameters
    ----------
    exchange
        Access to the bus.
    spec
        The engine.
    clock_hz
        Its clock.
    """

    def __init__(self, exchange: Exchange, spec: GemmSpec, clock_hz: int) -> None:
        self.spec, self._exchange, self._clock_hz = spec, exchange, clock_hz
        self._map = gemm_map(spec)
        #: Known values of registers.
        self._known: dict[str, int] = {}

    def check(self) -> None:
        """Check that the engine is the one in the board's identity.

        Raises
        ------
        SpecError
            If a constant register has another value.
        """
        for register in self._map.registers:
            (*_, field) = register.fields
            if field.access is Access.CONSTANT:
                (value,) = self._exchange.read(self._map.offset(register), 1).tolist()
                require(value == field.value, f"Engine {register.name}", f"{field.value:#x}", value)

    def forget(self) -> None:
        """Forget the values of registers, after a reset of the board."""
        self._known = {}

    def set(self, **values: int) -> None:
        """Write consecutive registers, unless they have these values already."""
        if any(self._known.get(name) != value for name, value in values.items()):
            self._exchange.write(
                self._map.offset(next(iter(values))),
                [value % (1 << 32) for value in values.values()],
            )
            self._known |= values

    def load_a(self, a: Codes) -> None:
        """Write codes (M, K) into the memory of A."""
        self._fill("A", a_words(a, self.spec, self._map.window("A")))

    def load_b(self, b: Codes) -> None:
        """Write codes (K, N) into the memory of B."""
        self._fill("B", b_words(b, self.spec, self._map.window("B")))

    def _fill(self, name: str, words: BusWords) -> None:
        """Write words into a memory, starting at its base."""
        window = self._map.window(name)
        self._exchange.write(
            self._map.base(window), words, run=window.lanes, stride=1 << window.lane_bits
        )

    def release(self) -> None:
        """Clear sums that an abandoned product has left in the array."""
        (state,) = self._exchange.read(self._map.offset("STATUS"), 1).tolist()
        if state & self._mask("STATUS", "held"):
            self.run(1, 1, 1)

    def result(self, m: int, k: int, n: int) -> tuple[Codes, Codes]:
        """Run the product of the operands in memory; return results and flags, (M, N)."""
        self.run(m, k, n)
        window = self._map.window("C")
        count = m * self.spec.array.tiles(1, n)
        words = self._exchange.read(
            self._map.base(window),
            count * window.lanes,
            run=window.lanes,
            stride=1 << window.lane_bits,
        )
        return c_values(words.reshape(count, window.lanes), self.spec, m, n)

    def run(self, m: int, k: int, n: int, *, hold: bool = False) -> None:
        """Start a product and wait until it is done; with ``hold`` the sums stay in the array.

        If the answer to a start is lost, the state shows whether the product was started. It must
        not be started twice, because held sums would be added to twice.
        """
        control = self._mask("CONTROL", "start") | hold * self._mask("CONTROL", "hold")
        for _ in range(STARTS):
            self._exchange.write(
                self._map.offset("STATUS"), [self._all("STATUS"), self._all("ERROR")]
            )
            self.set(M=m, K=k, N=n)
            try:
                self._exchange.write(self._map.offset("CONTROL"), [control], tries=1)
            except (DeviceReset, Refused):
                raise
            except DeviceError:
                self._exchange.settle()
            if self._done(m, k, n, hold):
                return
        raise DeviceError(f"The engine did not start in {STARTS} attempts")

    def _done(self, m: int, k: int, n: int, hold: bool) -> bool:
        """Wait for the end; return True if the product is done, False if it never started."""
        cycles = self.spec.cycles(m, k, n, hold=hold)
        end = time.monotonic() + PATIENCE + SLOWEST * cycles / self._clock_hz
        while (state := self._state())["STATUS"] & self._mask("STATUS", "busy"):
            if time.monotonic() > end:
                raise DeviceError(f"The engine was not done after {cycles} cycles")
        done = self._mask("STATUS", "done")
        if not state["ERROR"] and not state["STATUS"] & done:
            return False
        wanted = {
            "STATUS": done | hold * self._mask("STATUS", "held"),
            "ERROR": 0,
            "CYCLES": cycles,
            "M": m,
            "K": k,
            "N": n,
        }
        for register, value in wanted.items():
            if state[register] != value:
                raise DeviceError(
                    f"Engine {register} must be {value:#x} after a product, not "
                    f"{state[register]:#x}"
                )
        return True

    def _state(self) -> dict[str, int]:
        """Registers from STATUS to N, in one read."""
        names = [register.name for register in self._map.registers]
        names = names[names.index("STATUS") : names.index("N") + 1]
        values = self._exchange.read(self._map.offset(names[0]), len(names)).tolist()
        return dict(zip(names, values, strict=True))

    def _all(self, register: str) -> int:
        """Mask of all sticky fields of a register."""
        (entry,) = (known for known in self._map.registers if known.name == register)
        return sum(field.mask for field in entry.fields if field.access is Access.STICKY)

    def _mask(self, register: str, field: str) -> int:
        return self._map.field(register, field).mask

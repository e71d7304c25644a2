# SPDX-License-Identifier: Apache-2.0
"""Products that fit the memories of an engine, through nothing but its registers and windows."""

import time

from hw.host.exchange import DeviceError, DeviceReset, Exchange, Refused
from hw.host.words import BusWords, Codes, a_words, b_words, c_values
from hw.spec import GemmSpec
from hw.spec.errors import require
from hw.spec.registers import Access, gemm_map

#: Seconds that a product may take beyond its cycles.
PATIENCE = 5.0
#: Times slower than its clock that an engine may run: it may be a simulated one.
SLOWEST = 1000
STARTS = 3


class Engine:
    """Fills the memories, starts, waits, reads C, and looks at everything that can be wrong.

    Parameters
    ----------
    exchange
        Reaches the bus.
    spec
        The engine.
    clock_hz
        Its clock.
    """

    def __init__(self, exchange: Exchange, spec: GemmSpec, clock_hz: int) -> None:
        self.spec, self._exchange, self._clock_hz = spec, exchange, clock_hz
        self._map = gemm_map(spec)
        #: Values that registers are known to have.
        self._known: dict[str, int] = {}

    def check(self) -> None:
        """See that the engine is the one that the board says it is.

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
        """Nothing is known any more: the board has been reset."""
        self._known = {}

    def set(self, **values: int) -> None:
        """Write registers that lie behind each other, unless they have these values."""
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
        """Write words into a memory from its start on."""
        window = self._map.window(name)
        self._exchange.write(
            self._map.base(window), words, run=window.lanes, stride=1 << window.lane_bits
        )

    def release(self) -> None:
        """Let go of sums that a product which was given up has left in the array."""
        (state,) = self._exchange.read(self._map.offset("STATUS"), 1).tolist()
        if state & self._mask("STATUS", "held"):
            self.run(1, 1, 1)

    def result(self, m: int, k: int, n: int) -> tuple[Codes, Codes]:
        """Results and flags of what is in the memories, (M, N), and of the sums that are held."""
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
        """Start and wait until it is done; with ``hold`` the sums stay in the array.

        A start whose answer is lost may have been taken or not: the state tells. It must not be
        taken twice, since the sums that are held would grow twice.
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
        raise DeviceError(f"Engine must start in {STARTS} tries, and does not")

    def _done(self, m: int, k: int, n: int, hold: bool) -> bool:
        """Wait; whether the product has been done, False if it was never started."""
        cycles = self.spec.cycles(m, k, n, hold=hold)
        end = time.monotonic() + PATIENCE + SLOWEST * cycles / self._clock_hz
        while (state := self._state())["STATUS"] & self._mask("STATUS", "busy"):
            if time.monotonic() > end:
                raise DeviceError(f"Engine must be done in {cycles} cycles, and is not")
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
                    f"Engine {register} must be {value:#x} behind a product, not "
                    f"{state[register]:#x}"
                )
        return True

    def _state(self) -> dict[str, int]:
        """Registers from STATUS to N, read at once."""
        names = [register.name for register in self._map.registers]
        names = names[names.index("STATUS") : names.index("N") + 1]
        values = self._exchange.read(self._map.offset(names[0]), len(names)).tolist()
        return dict(zip(names, values, strict=True))

    def _all(self, register: str) -> int:
        """All sticky fields of a register."""
        (entry,) = (known for known in self._map.registers if known.name == register)
        return sum(field.mask for field in entry.fields if field.access is Access.STICKY)

    def _mask(self, register: str, field: str) -> int:
        return self._map.field(register, field).mask

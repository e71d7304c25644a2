# SPDX-License-Identifier: Apache-2.0
"""Random operands through the compiled RTL of any spec, with pauses, held to the model.

Operands are any codes, small ones, extremes and special ones, formats of any width. Each function
gives the number of values compared.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import sim
import sim.rtl
from hw.host.device import Device
from hw.spec import ArraySpec, Format, GemmSpec, MacSpec, OutputSpec
from hw.spec.board import BoardSpec
from hw.spec.grammar import Spec
from sim.rtl.engine import BUSES, EngineDriver
from sim.rtl.serial import BoardLine
from sim.tiling import A, B, C
from tests.support.array_checks import compare_product
from tests.support.engine_checks import results
from tests.support.mac_operands import pack, port_of_flag
from tests.support.output_checks import OutputBench, draw_options, output_case

#: Sums of a MAC, steps of the longest one, chance of a cycle without a pair.
SUMS, STEPS, IDLE = 120, 12, 0.25
#: Sums of an output stage, besides those at its edges.
CODES = 400
#: Chances of a pause on the streams of an array.
STALLS: tuple[dict[str, float], ...] = ({}, {A: 0.4, B: 0.2, C: 0.5})
#: Chance of a pause on the bus of an engine.
PAUSE = 0.3


def corners(fmt: Format) -> list[int]:
    """Codes at the ends: zeros, least, largest, infinities, NaN, of both signs."""
    magnitudes = {0, 1, fmt.max_code, (1 << fmt.magnitude_bits) - 1}
    magnitudes |= {code for code in (fmt.inf_code, fmt.nan_code) if code is not None}
    magnitudes |= set() if fmt.is_integer else {1 << fmt.man_bits}
    return sorted({code ^ sign for code in magnitudes for sign in (0, fmt.sign_code)})


def operands(fmt: Format, rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Codes of any size, half of them smaller; one in 25 is at an end."""
    flat = np.empty(int(np.prod(shape)), np.uint64)
    ends = corners(fmt)
    for index in range(len(flat)):
        code = int.from_bytes(rng.bytes(-(-fmt.width // 8)), "little") % (1 << fmt.width)
        if rng.random() < 0.5:
            sign = code & fmt.sign_code
            code = sign | (code & ~fmt.sign_code) >> int(rng.integers(fmt.width))
        flat[index] = ends[int(rng.integers(len(ends)))] if rng.random() < 0.04 else code
    return flat.reshape(shape)


@dataclass
class Bench:
    """A compiled unit, its spec, and where its random numbers come from."""

    spec: Any
    model: sim.rtl.Model
    rng: np.random.Generator
    folder: Path


def rows_of(model: sim.rtl.Model, name: str, values: list[int]) -> Any:
    """Values as rows of a port."""
    words = model.ports[name].words
    raw = b"".join(value.to_bytes(8 * words, "little") for value in values)
    rows = np.frombuffer(raw, "<u8").reshape(-1, words)
    return rows[:, 0] if words == 1 else rows


def numbers(rows: Any) -> list[int]:
    """Values of the rows of a port."""
    raw = np.ascontiguousarray(rows).astype("<u8").reshape(len(rows), -1)
    return [int.from_bytes(row.tobytes(), "little") for row in raw]


def check_mac(bench: Bench) -> int:
    """Sums of random length, cycles without a pair among them whose operands must not count."""
    spec, rng, model = bench.spec, bench.rng, bench.model
    columns: dict[str, list[int]] = {
        f"i_{name}": [] for name in ("valid", "first", "last", "a", "b")
    }
    due: dict[int, tuple[int, int]] = {}

    def cycle(valid: int, first: int, last: int, a: int, b: int) -> None:
        for name, value in zip(columns, (valid, first, last, a, b), strict=True):
            columns[name].append(value)

    for number in range(SUMS):
        length = int(rng.integers(1, STEPS * spec.lanes + 1)) if number else spec.lanes
        a, b = (operands(fmt, rng, (length,)) for fmt in (spec.a, spec.b))
        beats = pack(spec, a, b)
        for step, (x, y) in enumerate(beats):
            while rng.random() < IDLE:
                noise = pack(
                    spec,
                    operands(spec.a, rng, (spec.lanes,)),
                    operands(spec.b, rng, (spec.lanes,)),
                )[0]
                cycle(0, int(rng.integers(2)), int(rng.integers(2)), *noise)
            last = step == len(beats) - 1
            if last:
                data, flag = sim.dot_with_flags(a, b, spec)
                due[len(columns["i_a"]) + spec.latency] = (
                    int(data) % (1 << spec.acc.width),
                    port_of_flag(flag, spec.flag_bits),
                )
            cycle(1, int(step == 0), int(last), x, y)
    for _ in range(spec.latency + 1):
        cycle(0, 0, 0, 0, 0)
    out = model.run({name: rows_of(model, name, values) for name, values in columns.items()})
    data = numbers(out["o_data"])
    flags = numbers(out["o_flags"]) if spec.flag_bits else [0] * len(data)
    for now, valid in enumerate(out["o_valid"].tolist()):
        wanted = due.get(now)
        got = (data[now], flags[now]) if valid else None
        assert got == wanted, f"in cycle {now} {_hex(got)}, model {_hex(wanted)}"
    return len(due)


def _hex(result: tuple[int, int] | None) -> str:
    """Sum and flags, or nothing."""
    return "no sum" if result is None else f"sum {result[0]:#x} with flags {result[1]}"


def check_array(bench: Bench) -> int:
    """Products of one and of several tiles, without pauses and with them."""
    spec, lanes = bench.spec, bench.spec.mac.lanes
    high = min(spec.schedule.height, 2 * spec.rows)
    bench.model.reset()
    shapes = [
        (1, 1, 1),
        (high, (spec.rows + 1) * lanes, spec.cols),
        (high + 1, 2 * spec.rows * lanes + 1, spec.cols + 1),
    ]
    return sum(
        compare_product(spec, bench.model, bench.rng, _matrices(spec.mac, bench.rng, shape), stall)
        for stall in STALLS
        for shape in shapes
    )


def _matrices(mac: MacSpec, rng: np.random.Generator, shape: tuple[int, int, int]) -> tuple:
    """Codes (M, K) and (K, N)."""
    m, k, n = shape
    return operands(mac.a, rng, (m, k)), operands(mac.b, rng, (k, n))


def _shapes(spec: GemmSpec) -> list[tuple[int, int, int]]:
    """Sizes that the memories hold: a single product, a tile, edges."""
    array = spec.array
    lanes = array.mac.lanes
    wanted = [
        (1, 1, 1),
        (array.rows, 2 * lanes, array.cols),
        (array.rows + 1, array.rows * lanes + 1, array.cols + 1),
    ]
    return [shape for shape in wanted if not spec.refusals(*shape)]


def _options(spec: GemmSpec, rng: np.random.Generator) -> dict[str, int]:
    """Scale and zero point of the output stage, if it has them."""
    out = spec.array.out
    if out is None:
        return {}
    drawn = [np.broadcast_to(values, 16) for values in draw_options(rng, out, 16)]
    given = {"scale": out.scale_bits, "zero_point": out.zero_point_bits}
    place = int(rng.integers(16))
    return {
        name: int(values[place])
        for (name, bits), values in zip(given.items(), drawn, strict=True)
        if bits
    }


def check_engine(bench: Bench) -> int:
    """Products through a bus that pauses."""
    spec, compared = bench.spec, 0
    bench.model.reset()
    seed = int(bench.rng.integers(1 << 30))
    driver = EngineDriver(BUSES[spec.bus](bench.model, pause=PAUSE, seed=seed), spec)
    for shape in _shapes(spec):
        a, b = _matrices(spec.array.mac, bench.rng, shape)
        options = _options(spec, bench.rng)
        for name, value in options.items():
            assert driver.put(name.upper(), value % (1 << 32)), name
        got = driver.matmul(a, b)
        compared += _compare(spec, a, b, options, got.codes, got.flags)
    return compared


def check_board(bench: Bench) -> int:
    """A product over the serial line."""
    spec = bench.spec.gemm
    device = Device(BoardLine(bench.model, bench.spec), spec=spec)
    a, b = _matrices(spec.array.mac, bench.rng, _shapes(spec)[-1])
    options = _options(spec, bench.rng)
    codes, flags = device.matmul_with_flags(a, b, **options)
    return _compare(spec, a, b, options, codes, flags)


def _compare(spec: GemmSpec, a: Any, b: Any, options: Any, codes: Any, flags: Any) -> int:
    """Hold a product of an engine to the model."""
    wanted, shown = results(spec, a, b, options)
    shape = (*a.shape, b.shape[1])
    wrong = np.argwhere(np.asarray(codes).astype(object) != wanted)
    assert not wrong.size, f"{shape}: {len(wrong)} results differ, the first in {wrong[0]}"
    assert np.array_equal(np.asarray(flags, int), np.asarray(shown, int)), f"{shape}: flags differ"
    return int(wanted.size)


def check_output(bench: Bench) -> int:
    """Sums at the edges of the target and random ones."""
    stage = OutputBench([bench.spec], bench.folder, "-O0")
    return stage.check([output_case(bench.rng, bench.spec, CODES)]) + stage.check_valid()


#: What is done with each kind.
CHECKS: dict[type[Spec], Callable[[Bench], int]] = {
    MacSpec: check_mac,
    ArraySpec: check_array,
    GemmSpec: check_engine,
    BoardSpec: check_board,
    OutputSpec: check_output,
}


def check_streams(
    spec: Spec, verilog: Path, ports: list[dict[str, Any]], *, seed: int, build_dir: Path
) -> int:
    """Compile the RTL of ``spec`` and hold it to the model; gives the number of values compared.

    What all models share is compiled once in ``build_dir``.
    """
    model = sim.rtl.compile([verilog], spec.name, ports, build_dir=build_dir, optimize="-O0")
    model.reset()
    return CHECKS[type(spec)](Bench(spec, model, np.random.default_rng(seed), verilog.parent))

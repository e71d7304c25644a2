# SPDX-License-Identifier: Apache-2.0
"""Check that the netlist of a mapped MAC is bit-exact, by simulation against the golden model.

Cells follow their Liberty functions. First, every operand pair starts a sum. Then long sums
cover the states of the accumulator; in half of them, products nearly cancel the product before.
"""

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import sim
import sim.rtl
from hw.spec import Format, MacSpec
from hw.spec.errors import require
from sim.tiling import pack
from synth.flow.cells import models
from synth.flow.liberty import Library
from synth.flow.mapping import Mapped
from synth.flow.netlists import ports

Codes = npt.NDArray[Any]

#: Products per long sum.
LENGTH = 24
#: Share of special codes among the operands of long sums.
SPECIAL = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """Counts of operand pairs, of compared steps of long sums, and of differences."""

    pairs: int
    states: int
    mismatches: int
    seed: int


def verify(
    mapped: Mapped, library: Library, spec: MacSpec, *, states: int = 1_000_000, seed: int = 1
) -> Verified:
    """Compare a mapped MAC of one lane with `sim.matmul` after every step.

    Raises
    ------
    SpecError
        For several lanes, or operands with more than 16 bits in total.
    RtlError
        If the netlist cannot be compiled.
    """
    require(
        spec.lanes == 1 and spec.a.width + spec.b.width <= 16,
        "Netlist unit",
        "one lane of operands with at most 16 bits in total",
        str(spec),
    )
    table = [asdict(port) for port in ports(mapped.verilog)]
    with tempfile.TemporaryDirectory(prefix="netlist-") as scratch:
        file = Path(scratch) / "netlist.v"
        file.write_text(models(library, mapped.cells) + mapped.verilog, encoding="utf-8")
        model = sim.rtl.compile([file], mapped.top, table, optimize="-O1")
    model.reset()
    a, b = (np.arange(1 << fmt.width, dtype=np.uint64) for fmt in (spec.a, spec.b))
    single = _differing(model, spec, a[:, None], b[None])
    side = int(np.ceil(np.sqrt(states / LENGTH)))
    a, b = _wandering(spec, np.random.default_rng(seed), side)
    return Verified(
        pairs=1 << spec.a.width + spec.b.width,
        states=side * side * LENGTH,
        seed=seed,
        mismatches=single + _differing(model, spec, a, b),
    )


def _differing(model: sim.rtl.Model, spec: MacSpec, a: Codes, b: Codes) -> int:
    """Number of steps of ``a @ b`` after which the accumulator of the netlist differs."""
    (m, length), n = a.shape, b.shape[1]
    place = np.broadcast_to(np.arange(length), (m, n, length)).ravel()
    rows = {
        "i_valid": np.ones(place.size, np.uint64),
        "i_first": place == 0,
        "i_last": place == length - 1,
        "i_a": np.broadcast_to(a[:, None], (m, n, length)).ravel(),
        "i_b": np.broadcast_to(b.T[None], (m, n, length)).ravel(),
    }
    waits = {name: np.zeros(spec.latency, np.uint64) for name in rows}
    out = model.run(
        {name: np.concatenate([row.astype(np.uint64), waits[name]]) for name, row in rows.items()},
        outputs=("o_data",),
    )
    got = out["o_data"][spec.latency :].reshape(m, n, length, -1)
    return sum(
        _unequal(got[:, :, step], sim.matmul(a[:, : step + 1], b[: step + 1], spec), spec)
        for step in range(length)
    )


def _unequal(got: Codes, wanted: Codes, spec: MacSpec) -> int:
    """Number of accumulators that differ from ``wanted``."""
    modulus = 1 << spec.acc.width
    codes = wanted.astype(object) % modulus if wanted.dtype.kind in "iO" else wanted
    return int((got != pack(codes[..., None], spec.acc.width)).any(axis=-1).sum())


def _wandering(spec: MacSpec, rng: np.random.Generator, side: int) -> tuple[Codes, Codes]:
    """Operands of long sums, (side, LENGTH) and (LENGTH, side)."""
    a, b = _drawn(spec.a, rng, side), _drawn(spec.b, rng, side).T
    # In half of the sums, every second product nearly cancels the one before.
    nudge = rng.integers(0, 2, (side, LENGTH // 2)) * rng.integers(0, 2, LENGTH // 2)
    back = a[:, ::2] ^ (spec.a.sign_code if spec.a.exp_bits else (1 << spec.a.width) - 1) ^ nudge
    a[::2, 1::2] = back[::2]
    b[1::2, ::2] = b[::2, ::2]
    return a.astype(np.uint64), b.astype(np.uint64)


def _drawn(fmt: Format, rng: np.random.Generator, side: int) -> Codes:
    """Codes of numbers whose magnitude varies from row to row, including special codes."""
    codes = rng.integers(0, 1 << fmt.width, (side, LENGTH))
    magnitude = codes & (1 << fmt.magnitude_bits) - 1
    smaller = magnitude >> rng.integers(0, fmt.exp_bits or fmt.width // 2, (side, 1))
    kept = rng.random(codes.shape) < SPECIAL
    return np.where(kept, codes, codes & fmt.sign_code | smaller)

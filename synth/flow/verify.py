# SPDX-License-Identifier: Apache-2.0
"""Bit-exactness of a mapped MAC: its netlist of cells, simulated, against the golden model.

The cells are what their Liberty functions say. Every operand pair starts a sum; then sums wander
through the accumulator, half of them over products that nearly take back the one before.
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

#: Products of a sum that wanders.
LENGTH = 24
#: Share of special codes among the operands of such a sum.
SPECIAL = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """What was compared: operand pairs, states of accumulator and product, and what differed."""

    pairs: int
    states: int
    mismatches: int
    seed: int


def verify(
    mapped: Mapped, library: Library, spec: MacSpec, *, states: int = 1_000_000, seed: int = 1
) -> Verified:
    """Compare a mapped MAC of one lane with `sim.matmul`, its accumulator behind every step.

    Raises
    ------
    SpecError
        For several lanes, or operands of more than 16 bits in all.
    RtlError
        If the netlist cannot be compiled.
    """
    require(
        spec.lanes == 1 and spec.a.width + spec.b.width <= 16,
        "Netlist unit",
        "one lane of operands with 16 bits in all",
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
    """Steps of ``a @ b`` behind which the netlist's accumulator is not the model's."""
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
    """Number of accumulators whose words are not those of ``wanted``."""
    modulus = 1 << spec.acc.width
    codes = wanted.astype(object) % modulus if wanted.dtype.kind in "iO" else wanted
    return int((got != pack(codes[..., None], spec.acc.width)).any(axis=-1).sum())


def _wandering(spec: MacSpec, rng: np.random.Generator, side: int) -> tuple[Codes, Codes]:
    """Operands (side, LENGTH) and (LENGTH, side)."""
    a, b = _drawn(spec.a, rng, side), _drawn(spec.b, rng, side).T
    # Every second product of half of the sums is the one before with its sign changed, or nearly.
    nudge = rng.integers(0, 2, (side, LENGTH // 2)) * rng.integers(0, 2, LENGTH // 2)
    back = a[:, ::2] ^ (spec.a.sign_code if spec.a.exp_bits else (1 << spec.a.width) - 1) ^ nudge
    a[::2, 1::2] = back[::2]
    b[1::2, ::2] = b[::2, ::2]
    return a.astype(np.uint64), b.astype(np.uint64)


def _drawn(fmt: Format, rng: np.random.Generator, side: int) -> Codes:
    """Codes of numbers whose size differs from row to row, special codes among them."""
    codes = rng.integers(0, 1 << fmt.width, (side, LENGTH))
    magnitude = codes & (1 << fmt.magnitude_bits) - 1
    smaller = magnitude >> rng.integers(0, fmt.exp_bits or fmt.width // 2, (side, 1))
    kept = rng.random(codes.shape) < SPECIAL
    return np.where(kept, codes, codes & fmt.sign_code | smaller)

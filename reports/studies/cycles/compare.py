# SPDX-License-Identifier: Apache-2.0
"""All outputs of one product in every cycle: the clock-by-clock model's and the compiled RTL's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import ArraySpec
from sim.cycle import Inputs, Outputs, matmul
from sim.rtl import gemm
from sim.rtl.model import Model
from sim.tiling import Words

__all__ = ["Compared", "compare"]

Ints = npt.NDArray[Any]

#: Stalls of a stream are repeated after so many cycles.
PERIOD = 97


@dataclass(frozen=True, slots=True)
class Compared:
    """One product on both: its cycles, and how many outputs were compared and differed.

    ``product`` counts from the first operand beat to the last of C; ``steady`` says that a beat of
    A was taken in every cycle from the first one taken to the last.
    """

    product: int
    cycles: int
    outputs: int
    differences: int
    steady: bool


def compare(spec: ArraySpec, model: Model, shape: tuple[int, int, int],
            stalls: Mapping[str, float], seed: int) -> Compared:
    """Run random codes of ``shape`` (M, K, N) on both.

    The clock-by-clock model runs first, since what it is given depends on what it answers; the RTL
    then gets the same inputs and must answer alike.

    Parameters
    ----------
    spec, model
        The array, and its compiled RTL.
    shape
        Sides of the product.
    stalls
        Share of cycles in which each of the streams a, b and c stalls.
    seed
        Decides operands and stalls.
    """
    rng, (m, k, n) = np.random.default_rng(seed), shape
    seen: list[tuple[Inputs, Outputs]] = []
    patterns = {name: np.append(rng.random(PERIOD - 1) < share, False)
                for name, share in stalls.items()}
    a = rng.integers(0, 1 << spec.mac.a.width, (m, k), dtype=np.uint64)
    b = rng.integers(0, 1 << spec.mac.b.width, (k, n), dtype=np.uint64)
    got = matmul(a, b, spec, stalls=patterns, watch=lambda *wires: seen.append(wires))
    sent, wanted = [each[0] for each in seen], [each[1] for each in seen]
    model.reset()
    found = model.run(_inputs(spec, sent))
    pairs = _pairs(spec, found, wanted)
    taken = np.flatnonzero([x.a_tvalid and y.a_tready for x, y in seen])
    return Compared(got.cycles, len(seen), sum(pair[0].size for pair in pairs),
                    sum(int((x != y).sum()) for x, y in pairs),
                    bool((np.diff(taken) == 1).all()))


def _inputs(spec: ArraySpec, sent: Sequence[Inputs]) -> dict[str, Ints]:
    """Rows of the RTL's inputs."""
    rows = {f"{axis}_{wire}": np.array([getattr(x, f"{name}_{wire}") for x in sent])
            for axis, name, wire in ((gemm.A, "a", "tvalid"), (gemm.B, "b", "tvalid"),
                                     (gemm.A, "a", "tlast"), (gemm.B, "b", "tlast"),
                                     (gemm.C, "c", "tready"))}
    for axis, name, width in ((gemm.A, "a", spec.mac.a.width), (gemm.B, "b", spec.mac.b.width)):
        codes = np.array([getattr(x, f"{name}_tdata") for x in sent])
        rows[f"{axis}_tdata"] = gemm.pack(codes.reshape(len(sent), -1), width)
    if spec.depth is not None:
        rows[f"{gemm.A}_tuser"] = np.array([x.a_tuser for x in sent], np.uint64)
    return rows


def _pairs(spec: ArraySpec, found: Mapping[str, Words],
           wanted: Sequence[Outputs]) -> list[tuple[Ints, Ints]]:
    """What both have: handshakes in all cycles, what goes along with them where it is offered."""
    pairs = [(found[port], np.array([getattr(x, name) for x in wanted]))
             for port, name in ((f"{gemm.A}_tready", "a_tready"), (f"{gemm.B}_tready", "b_tready"),
                                (f"{gemm.C}_tvalid", "c_tvalid"), ("error", "error"))]
    offered = [place for place, x in enumerate(wanted) if x.c_tvalid]
    rows = {port: found[port].reshape(len(wanted), -1)[offered]
            for port in found if port.startswith(f"{gemm.C}_t")}
    pairs.append((rows[f"{gemm.C}_tlast"][:, 0], np.array([wanted[i].c_tlast for i in offered])))
    sums = np.array([wanted[i].c_tdata for i in offered]).astype(object)
    slots = gemm.unpack(rows[f"{gemm.C}_tdata"], spec.slot_width, spec.cols)
    pairs.append((slots.astype(object), sums % (1 << spec.slot_width)))
    if spec.flag_bits:
        flags = np.array([wanted[i].c_tuser for i in offered]) & (1 << spec.flag_bits) - 1
        pairs.append((gemm.unpack(rows[f"{gemm.C}_tuser"], spec.flag_bits, spec.cols), flags))
    return pairs

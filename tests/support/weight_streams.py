# SPDX-License-Identifier: Apache-2.0
"""Checks of a compiled weight-stationary array over its streams, beside those of any array."""

import numpy as np

from hw.spec import ArraySpec
from sim.tiling import A, B, C, beats
from tests.support.array_streams import (
    STALLS,
    check_extremes,
    check_product,
    check_products,
    check_resets,
    random_operands,
)

__all__ = ["check_cycles", "check_weight_array"]

#: ``tuser`` of A where a pass is first, neither, last, both.
FIRST, MIDDLE, LAST, SINGLE = 1, 0, 2, 3


def check_weight_array(spec: ArraySpec, model, seed: int) -> int:
    """Make all of the checks; gives the values compared."""
    _check_loads_ahead(spec, model)
    _check_offers(spec, model, seed)
    _check_wrong_ends(spec, model)
    _check_long_passes(spec, model)
    return (check_products(spec, model, seed) + check_extremes(spec, model)
            + _check_passes(spec, model, seed)
            + check_resets(spec, model, seed, steps=3 * spec.rows - 1))


def check_cycles(spec: ArraySpec, model, seed: int) -> int:
    """Cycles and values of many shapes without stalls; gives the number of shapes."""
    rng, rows, lanes = np.random.default_rng(seed), spec.rows, spec.mac.lanes
    model.reset()
    sides = sorted({1, rows - 1, rows, rows + 1, spec.depth - 1, spec.depth, spec.depth + 1,
                    2 * spec.depth + 1} - {0})
    depths = (1, rows * lanes, rows * lanes + 1, 3 * rows * lanes)
    shapes = [(m, k, n) for m in sides for k in depths for n in (1, spec.cols, spec.cols + 1)]
    for shape in shapes:
        check_product(spec, model, rng, shape, {})
    return len(shapes)


def _check_passes(spec: ArraySpec, model, seed: int) -> int:
    """Several passes of few, of all and of more rows of M than fit, under each set of stalls."""
    rng = np.random.default_rng(seed)
    model.reset()
    shapes = [(m, (4 * spec.rows - 1) * spec.mac.lanes, spec.cols + 1)
              for m in {1, max(1, spec.rows - 1), spec.rows, spec.rows + 1, spec.depth + 1}]
    slow = ({A: 0.9}, {A: 0.8, B: 0.2, C: 0.5})
    return sum(check_product(spec, model, rng, shape, stall)
               for stall in (*STALLS, *slow) for shape in shapes)


def _check_loads_ahead(spec: ArraySpec, model) -> None:
    """Two tiles of weights are taken before the first beat of A, no more; none of A before one."""
    model.reset()
    found = model.run({f"{A}_tvalid": np.ones(10, np.uint64)},
                      outputs=[f"{A}_tready", f"{C}_tvalid"])
    assert not found[f"{A}_tready"].any(), f"{spec}: a row of A was taken without weights"
    assert not found[f"{C}_tvalid"].any(), f"{spec}: a result without weights"
    cycles = 4 * spec.rows + 4 + spec.passage
    taken = model.run({f"{B}_tvalid": np.ones(cycles, np.uint64)},
                      outputs=[f"{B}_tready"])[f"{B}_tready"]
    assert taken.sum() == 2 * spec.rows, f"{spec}: {taken.sum()} beats of B ahead of A"


def _check_offers(spec: ArraySpec, model, seed: int) -> None:
    """A row is offered whether it is wanted or not: valid must not wait for ready."""
    model.reset()
    rng = np.random.default_rng(seed)
    shape = 1, spec.rows * spec.mac.lanes, spec.cols
    given = beats(spec, *random_operands(spec, rng, shape))
    model.stream(given.sources, {C: 0}, last=given.last, user=given.user, max_cycles=1000)
    model.run({}, cycles=spec.passage + 1, outputs=())
    assert model.read(f"{C}_tvalid") == 1, f"{spec}: no row is offered before it is wanted"


def _check_wrong_ends(spec: ArraySpec, model) -> None:
    """``error`` rises where a tile of B ends in the wrong place, stays, and falls by reset."""
    place = np.arange(2 * spec.rows)
    right = place % spec.rows == spec.rows - 1
    weights = model.ports[f"{B}_tdata"].empty(len(place))
    for wrong in (None, *place):
        model.reset()
        model.stream({B: weights}, {}, last={B: right ^ (place == wrong)},
                     max_cycles=len(place) + spec.passage)
        assert model.read("error") == (wrong is not None), f"{spec}: error, end {wrong} is wrong"
    model.reset()
    assert model.read("error") == 0, f"{spec}: error after reset"


def _check_long_passes(spec: ArraySpec, model) -> None:
    """``error`` rises where a pass has more rows than the memory, and needs it."""
    for user, rows, wanted in ((FIRST, spec.depth, 0), (FIRST, spec.depth + 1, 1),
                               (LAST, spec.depth + 1, 1), (MIDDLE, spec.depth + 1, 1),
                               (SINGLE, 3 * spec.depth, 0)):
        model.reset()
        zeros = {A: model.ports[f"{A}_tdata"].empty(rows),
                 B: model.ports[f"{B}_tdata"].empty(spec.rows)}
        last = {A: np.arange(rows) == rows - 1, B: np.arange(spec.rows) == spec.rows - 1}
        ran = model.stream(zeros, {C: rows if user & LAST else 0}, last=last,
                           user={A: np.full(rows, user, np.uint64)}, max_cycles=100 + 9 * rows)
        assert ran.outputs["error"] == wanted, f"{spec}: error, {rows} rows, user {user}"

# SPDX-License-Identifier: Apache-2.0
"""Checks of a compiled array over its streams: products under stalls, resets, ends that disagree.

They check the same as the bench in an event simulator, in a fraction of the time.
"""

import numpy as np

import sim
import sim.rtl
from hw.spec import ArraySpec, Dataflow
from sim.tiling import A, B, C, a_beats, b_beats, beats
from tests.support.mac_operands import port_of_flag
from tests.support.output_checks import draw_options

#: Chances of a pause by stream.
STALLS = ({}, {A: 0.3, C: 0.4}, {B: 0.6}, {C: 0.9}, {A: 0.4, B: 0.4, C: 0.4})
RESETS = 24
#: Number of extreme products in a row: what an exact accumulator holds by default.
EXTREMES = 4096
#: ``tuser`` of A where a pass is first, neither, last, both.
FIRST, MIDDLE, LAST, SINGLE = 1, 0, 2, 3


def check_array(spec: ArraySpec, model, seed: int) -> int:
    """Make all checks of the array's dataflow; return the number of values compared."""
    _check_offers(spec, model, seed)
    compared = check_products(spec, model, seed) + check_extremes(spec, model)
    if spec.dataflow is Dataflow.OS:
        _check_lone_operands(spec, model)
        _check_runs_on(spec, model, seed)
        return compared + check_resets(spec, model, seed, steps=7) + _check_ends(spec, model, seed)
    _check_loads_ahead(spec, model)
    _check_wrong_ends(spec, model)
    _check_long_passes(spec, model)
    return (
        compared
        + _check_passes(spec, model, seed)
        + check_resets(spec, model, seed, steps=3 * spec.rows - 1)
    )


def check_products(spec: ArraySpec, model, seed: int) -> int:
    """Products of several shapes under each set of stalls; return the number of values compared."""
    rng = np.random.default_rng(seed)
    model.reset()
    rows, cols, lanes = spec.rows, spec.cols, spec.mac.lanes
    shapes = (
        (1, 1, 1),
        (3 * rows, lanes, 2 * cols),
        (2 * rows, max(1, rows - 1) * lanes, cols),
        (rows + 1, (rows + cols + 3) * lanes + 1, 2 * cols + 1),
        (4 * rows, 40, 3 * cols),
    )
    return sum(
        check_product(spec, model, rng, shape, stall) for stall in STALLS for shape in shapes
    )


def check_extremes(spec: ArraySpec, model) -> int:
    """So many products of the largest operands that the top bits of a wide sum are used."""
    model.reset()
    a, b = (
        np.full(shape, fmt.max_code, np.uint64)
        for fmt, shape in ((spec.mac.a, (spec.rows, EXTREMES)), (spec.mac.b, (EXTREMES, spec.cols)))
    )
    # Rows of either sign; the smallest integer is the one with the sign bit alone.
    a[::2] = spec.mac.a.sign_code if spec.mac.a.is_integer else a[::2] | spec.mac.a.sign_code
    return compare_product(spec, model, np.random.default_rng(0), (a, b), {})


def check_resets(spec: ArraySpec, model, seed: int, *, steps: int) -> int:
    """A product after a reset at any time, even while the streams violate every rule.

    K takes ``steps`` steps of the MAC at the most.
    """
    rng = np.random.default_rng(seed)
    compared = 0
    for _ in range(RESETS):
        cycles = int(rng.integers(1, 12 * (spec.rows + spec.cols)))
        model.run(noise(model, rng, cycles, likely=0.9), outputs=())
        model.reset()
        shape = spec.rows, int(rng.integers(1, steps + 1)) * spec.mac.lanes, spec.cols
        compared += check_product(spec, model, rng, shape, {})
    return compared


def _check_ends(spec: ArraySpec, model, seed: int) -> int:
    """``error`` rises where the ends of A and B differ, stays, and falls by reset; A decides."""
    rng = np.random.default_rng(seed)
    steps = spec.rows + 2
    a, b = random_operands(spec, rng, (spec.rows, steps * spec.mac.lanes, spec.cols))
    operands = {A: a_beats(a, spec)[0], B: b_beats(b, spec)[0]}
    place = np.arange(steps)
    sound, *wrong = (
        _run_tile(spec, model, operands, place == steps - 1, np.isin(place, ends))
        for ends in ([steps - 1], [0], [steps - 2], [], [0, steps - 1])
    )
    assert sound[0] == 0, f"{spec}: error after a tile without one"
    for error, slots in wrong:
        assert error == 1, f"{spec}: no error where the ends differ"
        assert (slots == sound[1]).all(), f"{spec}: other sums where B ends elsewhere"
    assert model.read("error") == 1, f"{spec}: error was forgotten"
    model.reset()
    assert model.read("error") == 0, f"{spec}: error after reset"
    return len(wrong) * sound[1].size


def _run_tile(spec: ArraySpec, model, operands, last_a, last_b) -> tuple[int, np.ndarray]:
    """Error and slots of one tile after a reset, and of a right tile after it: error stays."""
    model.reset()
    for ends in (last_b, last_a):
        ran = model.stream(operands, {C: spec.rows}, last={A: last_a, B: ends}, max_cycles=2000)
        last = ran.received[C].last
        assert last.tolist() == [False] * (spec.rows - 1) + [True], f"{spec}: end of C"
    return ran.outputs["error"], ran.received[C].data


def _check_lone_operands(spec: ArraySpec, model) -> None:
    """A beat of one operand is not taken before the other's is there."""
    model.reset()
    for early in (A, B):
        found = model.run(
            {f"{early}_tvalid": np.ones(10, np.uint64)}, outputs=[f"{early}_tready", f"{C}_tvalid"]
        )
        assert not found[f"{early}_tready"].any(), f"{spec}: a beat of {early} was taken alone"
        assert not found[f"{C}_tvalid"].any(), f"{spec}: a result of {early} alone"


def _check_runs_on(spec: ArraySpec, model, seed: int) -> None:
    """While the last row of a tile waits, the array takes all beats of the next tile."""
    model.reset()
    steps = spec.rows + spec.cols + spec.mac.latency + 8
    a, b = random_operands(
        spec, np.random.default_rng(seed), (spec.rows, 2 * steps * spec.mac.lanes, spec.cols)
    )
    last = np.arange(2 * steps) % steps == steps - 1
    # The run ends when all steps have been taken, and fails if they are not.
    model.stream(
        {A: a_beats(a, spec)[0], B: b_beats(b, spec)[0]},
        {C: spec.rows - 1},
        last={A: last, B: last},
        max_cycles=8 * steps,
    )


def _check_offers(spec: ArraySpec, model, seed: int) -> None:
    """A row is offered even while ready is low: valid must not wait for ready."""
    model.reset()
    m, k = spec.rows if spec.dataflow is Dataflow.OS else 1, spec.rows * spec.mac.lanes
    operands = random_operands(spec, np.random.default_rng(seed), (m, k, spec.cols))
    given = beats(spec, *operands)
    model.stream(given.sources, {C: 0}, last=given.last, user=given.user, max_cycles=1000)
    model.run({}, cycles=spec.first_result(k, m) + 1, outputs=())
    assert model.read(f"{C}_tvalid") == 1, f"{spec}: no row is offered before it is wanted"


def check_product(spec: ArraySpec, model, rng, shape, stall) -> int:
    """One product of random operands."""
    return compare_product(spec, model, rng, random_operands(spec, rng, shape), stall)


def compare_product(spec: ArraySpec, model, rng, operands, stall) -> int:
    """One product: values, flags, cycles, no error."""
    a, b = operands
    shape = (*a.shape, b.shape[1])
    sums, flags = sim.matmul_with_flags(a, b, spec.mac)
    options, wanted = {}, sums.astype(object) % (1 << spec.mac.acc.width)
    shown = [port_of_flag(flag, spec.flag_bits) for flag in flags.flat]
    if spec.out:
        scale, point = (
            np.broadcast_to(values, sums.size).reshape(sums.shape)
            for values in draw_options(rng, spec.out, sums.size)
        )
        options = {"scale": scale, "zero_point": point}
        wanted = sim.output(sums, spec.out, flags=flags if spec.out.flag_bits else None, **options)
    got = sim.rtl.matmul(model, spec, a, b, stall=stall, seed=int(rng.integers(1 << 30)), **options)
    assert (got.codes.astype(object) == wanted).all(), (spec, shape, stall)
    assert got.flags.ravel().tolist() == shown, (spec, shape, stall)
    cycles = spec.cycles(*shape)
    assert got.cycles >= cycles if stall else got.cycles == cycles, (spec, shape, stall)
    assert model.read("error") == 0, (spec, shape, stall)
    return wanted.size


def random_operands(spec: ArraySpec, rng, shape) -> tuple[np.ndarray, np.ndarray]:
    """Random codes (M, K) and (K, N)."""
    m, k, n = shape
    return (
        rng.integers(0, 1 << spec.mac.a.width, (m, k), dtype=np.uint64),
        rng.integers(0, 1 << spec.mac.b.width, (k, n), dtype=np.uint64),
    )


def noise(model, rng, cycles: int, likely: float) -> dict[str, np.ndarray]:
    """Random rows of every input but the reset; lines of one bit are mostly high."""
    rows = {}
    for port in model.ports.values():
        if port.direction != "input" or port.is_clock or port.name == "rst":
            continue
        if port.width == 1:
            rows[port.name] = rng.random(cycles) < (0.3 if port.name.endswith("last") else likely)
        else:
            raw = rng.integers(0, 1 << 63, (cycles, port.words), dtype=np.uint64)
            raw[:, -1] >>= np.uint64(-port.width % 64)
            rows[port.name] = raw[:, 0] if port.words == 1 else raw
    return rows


def check_cycles(spec: ArraySpec, model, seed: int) -> int:
    """Cycles and values of many shapes without stalls; gives the number of shapes."""
    rng, rows, lanes = np.random.default_rng(seed), spec.rows, spec.mac.lanes
    model.reset()
    sides = sorted(
        {
            1,
            rows - 1,
            rows,
            rows + 1,
            spec.depth - 1,
            spec.depth,
            spec.depth + 1,
            2 * spec.depth + 1,
        }
        - {0}
    )
    depths = (1, rows * lanes, rows * lanes + 1, 3 * rows * lanes)
    shapes = [(m, k, n) for m in sides for k in depths for n in (1, spec.cols, spec.cols + 1)]
    for shape in shapes:
        check_product(spec, model, rng, shape, {})
    return len(shapes)


def _check_passes(spec: ArraySpec, model, seed: int) -> int:
    """Several passes of few, of all and of more rows of M than fit, under each set of stalls."""
    rng = np.random.default_rng(seed)
    model.reset()
    shapes = [
        (m, (4 * spec.rows - 1) * spec.mac.lanes, spec.cols + 1)
        for m in {1, max(1, spec.rows - 1), spec.rows, spec.rows + 1, spec.depth + 1}
    ]
    slow = ({A: 0.9}, {A: 0.8, B: 0.2, C: 0.5})
    return sum(
        check_product(spec, model, rng, shape, stall)
        for stall in (*STALLS, *slow)
        for shape in shapes
    )


def _check_loads_ahead(spec: ArraySpec, model) -> None:
    """Two tiles of weights are taken before the first beat of A, no more; none of A before one."""
    model.reset()
    found = model.run(
        {f"{A}_tvalid": np.ones(10, np.uint64)}, outputs=[f"{A}_tready", f"{C}_tvalid"]
    )
    assert not found[f"{A}_tready"].any(), f"{spec}: a row of A was taken without weights"
    assert not found[f"{C}_tvalid"].any(), f"{spec}: a result without weights"
    cycles = 4 * spec.rows + 4 + spec.passage
    taken = model.run({f"{B}_tvalid": np.ones(cycles, np.uint64)}, outputs=[f"{B}_tready"])[
        f"{B}_tready"
    ]
    assert taken.sum() == 2 * spec.rows, f"{spec}: {taken.sum()} beats of B ahead of A"


def _check_wrong_ends(spec: ArraySpec, model) -> None:
    """``error`` rises where a tile of B ends in the wrong place, stays, and falls by reset."""
    place = np.arange(2 * spec.rows)
    right = place % spec.rows == spec.rows - 1
    weights = model.ports[f"{B}_tdata"].empty(len(place))
    for wrong in (None, *place):
        model.reset()
        model.stream(
            {B: weights},
            {},
            last={B: right ^ (place == wrong)},
            max_cycles=len(place) + spec.passage,
        )
        assert model.read("error") == (wrong is not None), f"{spec}: error, end {wrong} is wrong"
    model.reset()
    assert model.read("error") == 0, f"{spec}: error after reset"


def _check_long_passes(spec: ArraySpec, model) -> None:
    """``error`` rises where a pass has more rows than the memory, and needs it."""
    for user, rows, wanted in (
        (FIRST, spec.depth, 0),
        (FIRST, spec.depth + 1, 1),
        (LAST, spec.depth + 1, 1),
        (MIDDLE, spec.depth + 1, 1),
        (SINGLE, 3 * spec.depth, 0),
    ):
        model.reset()
        zeros = {
            A: model.ports[f"{A}_tdata"].empty(rows),
            B: model.ports[f"{B}_tdata"].empty(spec.rows),
        }
        last = {A: np.arange(rows) == rows - 1, B: np.arange(spec.rows) == spec.rows - 1}
        ran = model.stream(
            zeros,
            {C: rows if user & LAST else 0},
            last=last,
            user={A: np.full(rows, user, np.uint64)},
            max_cycles=100 + 9 * rows,
        )
        assert ran.outputs["error"] == wanted, f"{spec}: error, {rows} rows, user {user}"

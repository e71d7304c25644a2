# SPDX-License-Identifier: Apache-2.0
"""The cycle-accurate model in lockstep with the RTL: every register of every element."""

import numpy as np
import pytest

import sim
from hw.spec import CATALOG, SpecError, parse_array
from sim.cycle import OutputStationaryArray, WeightStationaryArray, matmul
from tests.support.lockstep import CYCLES, lockstep, stimulus
from tests.support.tiers import tiers

UNITS = [
    ("e4m3,pipeline=3", "2x2"),
    ("int8", "3x2"),
    ("e4m3,acc=fp16,pipeline=2", "3x3"),
    ("e5m2,acc=fp32,pipeline=1", "2x3"),
    ("e4m3,acc=aligned:13,lanes=2,pipeline=1", "3x2"),
    ("int8,adder=carry-save", "2x3"),
]


#: Unit, size, output stage at the drain.
DRAINED = [
    ("int8", "2x3", "int8,scale=fp32,zero_point=yes"),
    ("e4m3,acc=aligned:13,lanes=2", "2x1", "e5m2"),
    ("e4m3,acc=fp16,pipeline=1", "2x2", "int4,scale=pow2,saturate=no"),
]


#: Each kind of accumulator and of adder, registers, lanes, settings at the drain.
OFTEN = (
    "int8",
    "e4m3,acc=fp16,pipeline=2",
    "e5m2,acc=fp32,pipeline=1",
    "e4m3,acc=aligned:13,lanes=2,pipeline=1",
    "int8,adder=carry-save",
)
CASES = [*((mac, size, None) for mac, size in UNITS), *DRAINED]


@pytest.mark.parametrize(
    ("mac", "size", "out"), tiers(CASES, [case for case in CASES if case[0] in OFTEN])
)
def test_every_register_equals_the_rtl_at_every_cycle(tmp_path, mac, size, out):
    """With stalls, resets and tiles of any length; only registers never written are left out."""
    spec = parse_array(size, mac, out=out)
    compared, unknown, finished = lockstep(spec, stimulus(spec, 11), tmp_path)
    # Registers without reset are unknown for as many cycles as operands need to pass them.
    assert unknown < 30 * (spec.rows + spec.cols)
    assert compared > CYCLES * 5 * spec.rows * spec.cols
    assert finished > 20


@pytest.mark.parametrize(("mac", "size"), UNITS)
@pytest.mark.parametrize("flow", ["os", "ws"])
def test_matmul_equals_the_model(mac, size, flow):
    """Sums, flags and cycles, edges padded; stalls only cost cycles."""
    spec = parse_array(size, mac, dataflow=flow)
    rng = np.random.default_rng(3)
    a, b = (
        sim_codes(rng, fmt, shape) for fmt, shape in ((spec.mac.a, (5, 7)), (spec.mac.b, (7, 8)))
    )
    sums, flags = sim.matmul_with_flags(a, b, spec.mac)
    for stalls in ({}, {"a": rng.random(17) < 0.4, "c": rng.random(11) < 0.5}):
        got = matmul(a, b, spec, stalls=stalls)
        assert (got.codes == sums).all()
        assert (got.flags == flags).all()
        assert got.cycles > spec.cycles(5, 7, 8) if stalls else got.cycles == spec.cycles(5, 7, 8)


@pytest.mark.parametrize(("mac", "size", "out"), DRAINED)
@pytest.mark.parametrize("flow", ["os", "ws"])
def test_output_stages_encode_the_sums_of_matmul(mac, size, out, flow):
    """A scale and a zero point for each result; stalls only cost cycles."""
    spec = parse_array(size, mac, dataflow=flow, out=out)
    rng, given = np.random.default_rng(4), {}
    a, b = (
        sim_codes(rng, fmt, shape) for fmt, shape in ((spec.mac.a, (5, 7)), (spec.mac.b, (7, 8)))
    )
    if spec.out.scale_bits:
        given["scale"] = (
            rng.integers(-16, -8, (5, 8))
            if spec.out.scale_bits == 8
            else sim.encode(rng.uniform(-0.004, 0.004, (5, 8)), CATALOG["fp32"])
        )
    if spec.out.zero_point:
        given["zero_point"] = rng.integers(-9, 9, (5, 8))
    sums, flags = sim.matmul_with_flags(a, b, spec.mac)
    wanted = sim.output(sums, spec.out, flags=flags, **given)
    assert len(set(wanted.ravel().tolist())) > 7
    for stalls in ({}, {"a": rng.random(17) < 0.4, "c": rng.random(11) < 0.5}):
        got = matmul(a, b, spec, stalls=stalls, **given)
        assert (got.codes == wanted).all()
        assert not got.flags.any()
        assert got.cycles > spec.cycles(5, 7, 8) if stalls else got.cycles == spec.cycles(5, 7, 8)


def sim_codes(rng, fmt, shape):
    """Operands: codes, or values of an integer format."""
    codes = rng.integers(0, 1 << fmt.width, shape)
    return codes - (codes >> fmt.width - 1 << fmt.width) if fmt.is_integer else codes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"a": [[999]]}, "Operand a must be codes of e4m3 from 0 to 255, not 999"),
        ({"a": [[1, 2]]}, "Operand shapes must be (M, K) and (K, N), not ((1, 2), (1, 1))"),
        (
            {"a": np.zeros((0, 1), int)},
            "GEMM m must be an integer from 1 to 281474976710656, not 0",
        ),
        ({"stalls": {"d": [0]}}, "Stalls must be for a, b or c, not ['d']"),
        ({"scale": 1}, "Scale and zero point need an array with an output stage"),
        ({"stalls": {"a": [1]}}, "Stalls a must be false in at least one cycle, not [True]"),
        (
            {"spec": parse_array("2x2", "e4m3,acc=aligned:48,lanes=64")},
            (
                "Array mac must be a unit whose steps fit int64, or a fixed-point one, not "
                "'e4m3,acc=aligned:48,lanes=64'"
            ),
        ),
    ],
)
def test_wrong_arguments_are_named(changes, message):
    given = {"a": [[1]], "b": [[1]], "spec": parse_array("2x2", "e4m3")} | changes
    with pytest.raises(SpecError) as caught:
        matmul(**given)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("model", "flow", "message"),
    [
        (OutputStationaryArray, "ws", "Array dataflow must be os, not 'ws'"),
        (WeightStationaryArray, "os", "Array dataflow must be ws, not 'os'"),
    ],
)
def test_array_of_another_dataflow_is_refused(model, flow, message):
    with pytest.raises(SpecError) as caught:
        model(parse_array("2x2", "e4m3", dataflow=flow))
    assert str(caught.value) == message


#: Unit, size, depth of the memory of sums, output stage at the drain.
WEIGHT_UNITS = [
    ("int8", "3x2", 5, "int8,scale=pow2,zero_point=yes"),
    ("e5m2,acc=fp32,pipeline=1", "2x3", 2, None),
    ("int8,acc=int20,pipeline=3", "3x2", 4, None),
    ("e4m3", "2x3", 4, None),
    ("int8", "1x2", 2, None),
    ("int8,adder=carry-save", "2x2", 3, None),
    ("e4m3,acc=fp16,pipeline=2", "2x3", 3, "e5m2,saturate=no"),
    ("e4m3,acc=aligned:13,lanes=2", "3x2", 6, None),
]


@pytest.mark.parametrize(("mac", "size", "depth", "out"), WEIGHT_UNITS)
def test_every_register_of_weights_equals_the_rtl_at_every_cycle(tmp_path, mac, size, depth, out):
    """With stalls, resets and passes of any length; registers never written are left out."""
    spec = parse_array(size, mac, dataflow="ws", depth=depth, out=out)
    ends = np.random.default_rng(3).random(CYCLES) < 1 / spec.rows
    compared, unknown, finished = lockstep(spec, stimulus(spec, 12, ends), tmp_path)
    # Words are unknown until they are written, and so are words read in a pass that is too long.
    assert unknown < compared / 16
    assert compared > CYCLES * 7 * spec.rows * spec.cols
    assert finished > 20

# SPDX-License-Identifier: Apache-2.0
"""The weight-stationary model in lockstep with the RTL: every register of every element."""

import numpy as np
import pytest

from hw.spec import parse_array
from tests.lockstep import CYCLES, lockstep, packed, result, results_registers, skews, stimulus

#: Unit, size, depth of the memory of sums; those of the rest take longer to generate.
UNITS = [("int8", "3x2", 5), ("e5m2,acc=fp32,pipeline=1", "2x3", 2)]
REST = [("e4m3", "2x3", 4), ("int8", "1x2", 2), ("e4m3,acc=fp16,pipeline=2", "4x4", 3),
        ("e4m3,acc=aligned:13,lanes=2", "3x2", 6)]


def registers(model):
    """What the RTL's registers hold by the model, by name below the top."""
    return sequencer_registers(model) | skews(model, reverse_a=False) | results_registers(model) | {
        f"grid.row_{r}.pe_{c}.{name}": value
        for r in range(model.spec.rows) for c in range(model.spec.cols)
        for name, value in element_registers(model, r, c).items()} | {
        f"grid.memory.sums_{c}.{name}": value for c in range(model.spec.cols)
        for name, value in memory_registers(model, c).items()}


def element_registers(model, r, c):
    """Of one element and the step in it."""
    mac, found = model.spec.mac, {}
    for name, codes, width in (("a_q", model.a_q, mac.a.width), ("used", model.used, mac.b.width),
                               ("waiting", model.waiting, mac.b.width),
                               ("passed", model.passed, mac.b.width)):
        found[name] = packed(codes[r, :, c], width)
    return found | {"swap_q": model.frame_q[r, c] & 1, "load_q": model.frame_q[r, c] >> 1,
                    "step.o_sum": result(mac, model.acc[r, c], model.flags[r, c])}


def memory_registers(model, c):
    """Of the memory of one column."""
    mac, depth = model.spec.mac, model.spec.depth
    address = (depth - 1).bit_length()
    east = 0
    for value, place in zip(model.control[:, c], (0, 1, 2, 3, 4, 4 + address), strict=True):
        east |= int(value) << place
    return {"east_q": east, "before": result(mac, *model.before[:, c]),
            "now__data": result(mac, *model.read[:, c])} | {
        f"memory[{word}]": result(mac, *model.memory[:, word, c]) for word in range(depth)}


def sequencer_registers(model):
    """Of the sequencer."""
    held = model.sequencer
    names = ("loaded", "opened", "write", "leave", "end", "recent", "error",
             "kept", "kept_last")
    found = {name: getattr(held, name) for name in names} | {
        "row": held.rows[0], "address": held.place}
    if model.spec.rows > 1:
        found["wait"] = held.wait
    if model.spec.mac.pipeline:
        found["start"] = held.start
    found |= {f"row_q{stage}": row for stage, row in enumerate(held.rows[1:])}
    return {f"sequencer.{name}": value for name, value in found.items()}


@pytest.mark.parametrize(("mac", "size", "depth"), [
    *UNITS, *(pytest.param(*unit, marks=pytest.mark.slow) for unit in REST)])
def test_every_register_equals_the_rtl_at_every_cycle(tmp_path, mac, size, depth):
    """With stalls, resets and passes of any length; what the RTL never wrote is left out."""
    spec = parse_array(size, mac, dataflow="ws", depth=depth)
    ends = np.random.default_rng(3).random(CYCLES) < 1 / spec.rows
    memories = [f"grid.memory.sums_{c}.memory[{word}]" for c in range(spec.cols)
                for word in range(depth)]
    compared, unknown, finished = lockstep(spec, stimulus(spec, 12, ends), tmp_path, registers,
                                           memories)
    # Words are unknown until they are written, and what is read where a pass was too long.
    assert unknown < compared / 16
    assert compared > CYCLES * 7 * spec.rows * spec.cols
    assert finished > 20

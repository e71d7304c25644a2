# SPDX-License-Identifier: Apache-2.0
"""Faults in the weight-stationary array: elements, memory of sums, handshakes."""

from tests.mutation.fault import Fault

__all__ = ["WEIGHTS"]


#: Checks of an array that is compiled quickly.
TEST = "tests/hw/test_array_ws.py::test_array_keeps_its_sums_and_its_protocol[3x2x5:int8]"


#: Those of one with registers in the adder, whose rows are further apart in time.
SLOW_TEST = TEST.replace("3x2x5:int8", "2x2x9:int8,acc=int20-sat,pipeline=3")

#: A step with registers against the same one without.
STEP_TEST = "tests/hw/test_mac_step.py::test_registers_in_a_step_only_delay_it"


def _fault(room: str, file: str, name: str, old: str, new: str, test: str = TEST) -> Fault:
    """A fault in a file of ``hw/array/ws``."""
    return Fault(name=name, room=room, file=f"hw/array/ws/{file}", old=old, new=new, tests=(test,))


WEIGHTS = (
    _fault("RTL", "pe.py", "a weight moves two rows at once", "self.south_b.eq(passed)",
           "self.south_b.eq(waiting)"),
    _fault("RTL", "pe.py", "a weight is used before it is swapped", "step.i_b.eq(used)",
           "step.i_b.eq(waiting)"),
    _fault("RTL", "pe.py", "a weight in use is that of the next row", "used.eq(waiting)",
           "used.eq(self.north_b)"),
    _fault("RTL", "sums.py", "a sum that just left is not forwarded",
           "Mux(now.forward, self.south_sum, Mux(now.recent, before, read.data))",
           "Mux(now.recent, before, read.data)"),
    _fault("RTL", "sums.py", "a sum that left a cycle ago is not forwarded",
           "Mux(now.recent, before, read.data)", "read.data"),
    _fault("RTL", "sums.py", "sums do not start anew", "Mux(now.start, 0, chosen)", "chosen"),
    _fault("protocol", "sequencer.py", "weights change in mid-pass", "(~opened | ends)", "1"),
    _fault("protocol", "sequencer.py", "weights change before all are there",
           "self._full.eq(loaded == rows)", "self._full.eq(loaded >= rows - 1)"),
    _fault("protocol", "sequencer.py", "a short pass does not wait for its sums",
           " & (wait == 0)),", "),"),
    _fault("protocol", "sequencer.py", "a pause of A counts as a row",
           "(valid | (self.en & ~opened)) & (wait != 0)", "self.en & (wait != 0)"),
    _fault("protocol", "sequencer.py", "a bubble behind each pass", "wait.eq(down - 1)",
           "wait.eq(down)"),
    _fault("protocol", "sequencer.py", "weights load before the last row has swapped",
           "free &= ~self._swaps(m)", "pass", SLOW_TEST),
    _fault("protocol", "grid.py", "a swap overtakes the sums",
           "{swaps}[{cycles - 1}]", "{swaps}[{cycles - 2}]", SLOW_TEST),
    Fault(name="a part of a sum is a cycle early", room="RTL", file="hw/mac/passing_sum.py",
          old="delayed(m, bits, cycles - part, ", new="delayed(m, bits, cycles - part - 1, ",
          tests=(f"{STEP_TEST}[int8,acc=int20-sat]",)),
    Fault(name="a sum is rounded with the place of the next one", room="RTL",
          file="hw/mac/float_add.py", old='cut("total", summed, sides)',
          new='(*cut("total", summed), sides)', tests=(f"{STEP_TEST}[e4m3,acc=fp32]",)),
    _fault("protocol", "sequencer.py", "a tile of A that is too long is no error",
           "wrong.eq(valid & ~self.a_tlast & (row == spec.depth - 1) & ~single)", "wrong.eq(0)"),
    _fault("protocol", "sequencer.py", "a wrong end of B is no error",
           "wrong.eq(self.load & (self.b_tlast ^ (place == rows - 1)))", "wrong.eq(0)"),
    _fault("protocol", "sequencer.py", "sums are kept behind those of the pass before",
           "place.eq(Mux(end[through - 1], 0, place + 1))", "place.eq(place + 1)"),
)

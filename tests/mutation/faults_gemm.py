# SPDX-License-Identifier: Apache-2.0
"""Faults in GEMM engines: buses, registers, control, order of operands."""

from tests.mutation.fault import Fault

__all__ = ["GEMM"]

#: Benches of an engine on either bus.
TEST = "tests/hw/test_gemm_cocotb.py::test_engine_matches_golden"
AXI = f"{TEST}[3x2:e4m3,acc=fp16:axi4lite:50x70x33]"
WISHBONE = f"{TEST}[2x3:int4,acc=int12,lanes=3:wishbone:24x40x24]"
WEIGHTS = f"{TEST}[3x2x4:e4m3,acc=fp16:axi4lite:50x33x70]"


def _fault(file: str, name: str, old: str, new: str, test: str = AXI) -> Fault:
    """A fault in a file of ``hw/gemm``."""
    return Fault(name=name, room="protocol", file=f"hw/gemm/{file}", old=old, new=new,
                 tests=(test,))


GEMM = (
    _fault("axi4lite.py", "an answer to a write does not wait", "with m.Elif(self.s_axil_bready):",
           "with m.Else():"),
    _fault("axi4lite.py", "an answer to a read does not wait", "with m.Elif(self.s_axil_rready):",
           "with m.Else():"),
    _fault("axi4lite.py", "data is taken without an address",
           "self.s_axil_awvalid & self.s_axil_wvalid", "self.s_axil_wvalid"),
    _fault("wishbone.py", "an access is answered twice", " & ~answered & ~waiting", " & ~waiting",
           WISHBONE),
    _fault("wishbone.py", "a refused access is acknowledged too", "answers & ~error",
           "answers", WISHBONE),
    _fault("register_file.py", "settings change under way",
           "free = ~self.lock if register.locked else 1", "free = 1"),
    _fault("control.py", "an end interrupts whether it is wanted or not",
           "self.done & self.done_enable", "self.done"),
    _fault("control.py", "a refused start keeps the engine busy",
           "~(self.ended | (self.checked & self.wrong))", "~self.ended"),
    _fault("feeder.py", "the next product begins where the last one was", "self.b_addr.eq(0), "
           "row.eq(0)", "self.b_addr.eq(0)"),
    _fault("feeder.py", "columns beyond N count", "below(tiles.cols, array.cols)",
           "(1 << array.cols) - 1"),
    _fault("feeder.py", "lanes beyond K count", "below(k_left, array.mac.lanes)",
           "(1 << array.mac.lanes) - 1", WISHBONE),
    _fault("ws/rows.py", "rows of A are read once, not for each tile", "self.a_addr.eq(tile),",
           "self.a_addr.eq(part + 1),", WEIGHTS),
    _fault("ws/rows.py", "codes beyond K count", "below(k_left, self._deep)",
           "(1 << self._deep) - 1", WEIGHTS),
    _fault("ws/rows.py", "sums of a pass do not start anew", "eq(first & ~self.held)", "eq(0)",
           WEIGHTS),
    _fault("ws/weights.py", "weights of a step beyond K count", "Mux(left < 0, 0, ",
           "Mux(left < 0, 1, ", WEIGHTS),
    _fault("ws/weights.py", "tiles of weights lie one word apart", "tile + self.beats",
           "tile + 1", WEIGHTS),
)

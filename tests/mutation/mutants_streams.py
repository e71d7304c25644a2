# SPDX-License-Identifier: Apache-2.0
"""Mutants of arrays of either dataflow and of GEMM engines: elements, drain, streams, buses."""

from tests.mutation.mutant import Mutant, Remove, Replace, array_test, group

TALL, WIDE = array_test("e2m1,array=3x5"), array_test("e5m2,array=1x3")
SINGLE = array_test("int8,array=1x1")
STEADY = array_test("int8,acc=int20-sat,pipeline=1,array=3x2")
BYTES = array_test("int8xuint8,array=3x1")
SAVED = array_test("int8,pipeline=1,adder=carry-save,array=2x3")
DRAINED = array_test("e2m1,array=2x1,out=fp32,saturate=no")
SLOTS = array_test("e5m2,adder=carry-save,array=2x2,out=int4,zero_point=yes")
#: A weight-stationary one, and one whose rows are further apart in time.
WEIGHTS = array_test("int8,array=3x2,dataflow=ws,depth=5")
SLOW = array_test("int8,acc=int20-sat,pipeline=3,array=2x2,dataflow=ws,depth=9")

#: Benches of an engine on either bus.
ENGINE = "tests/hw/test_cocotb.py::test_engine_matches_golden"
AXI = (f"{ENGINE}[e4m3,acc=fp16,array=3x2,depths=50x70x33,bus=axi4lite]",)
WISHBONE = (f"{ENGINE}[int4,acc=int12,lanes=3,array=2x3,depths=24x40x24,bus=wishbone]",)
WEIGHTS_ENGINE = (
    (f"{ENGINE}[e4m3,acc=fp16,array=3x2,dataflow=ws,depth=4,depths=50x33x70,bus=axi4lite]"),
)

OUTPUT_STATIONARY: tuple[Mutant, ...] = (
    *group(
        "RTL",
        "hw.array.os.pe",
        (
            "ProcessingElement._drain",
            "a tile's sums are drained into the next one's",
            Remove("self.start | ~fresh"),
            TALL,
        ),
        (
            "ProcessingElement._drain",
            "a column drains itself twice",
            Replace("fresh.eq(0)", "fresh.eq(fresh)"),
            TALL,
        ),
    ),
    *group(
        "RTL",
        "hw.array.os.sequencer",
        (
            "Sequencer._time_drain",
            "rows leave before they are resolved",
            Replace("range(self._resolve_stages)", "range(0)"),
            SAVED,
        ),
    ),
    *group(
        "protocol",
        "hw.array.os.sequencer",
        (
            "Sequencer._take_operands",
            "a short tile starts, not ends, in time",
            Replace("self.valid & self.last", "self.valid & self.first"),
            TALL,
        ),
        (
            "Sequencer._take_operands",
            "the drain has room a cycle too early",
            Replace("self._spec.rows - 1", "max(self._spec.rows - 2, 0)"),
            TALL,
        ),
        (
            "Sequencer._take_operands",
            "a bubble behind each tile",
            Replace("~self.a_tlast | _1", "(~self.a_tlast | _1) & (~opening | _1)"),
            STEADY,
        ),
        (
            "Sequencer._take_operands",
            "A is taken without B",
            Replace("self.a_tready.eq(_1 & _)", "self.a_tready.eq(_1)"),
            SINGLE,
        ),
        (
            "Sequencer._take_operands",
            "B is taken without A",
            Replace("self.b_tready.eq(_1 & _)", "self.b_tready.eq(_1)"),
            SINGLE,
        ),
        (
            "Sequencer._take_operands",
            "B's last beat ends a tile",
            Replace("opening.eq(self.a_tlast)", "opening.eq(self.b_tlast)"),
            BYTES,
        ),
        ("Sequencer._take_operands", "error is forgotten", Remove("self.error"), BYTES),
        (
            "Sequencer._take_operands",
            "a missing end of B is no error",
            Replace("_1 ^ _2", "~_1 & _2"),
            BYTES,
        ),
        (
            "Sequencer._take_operands",
            "an early end of B is no error",
            Replace("_1 ^ _2", "_1 & ~_2"),
            BYTES,
        ),
        (
            "Sequencer._time_drain",
            "results are a cycle late",
            Replace("_1.loop_latency + rows", "_1.loop_latency + rows + 1"),
            SINGLE,
        ),
        (
            "Sequencer._time_drain",
            "the last row is never drained",
            Replace("left.eq(rows - 1)", "left.eq(rows - 2)"),
            BYTES,
        ),
    ),
)

#: What both dataflows share.
SHARED: tuple[Mutant, ...] = (
    *group(
        "RTL",
        "hw.array.top",
        (
            "ResultLane.elaborate",
            "a kept row is overwritten",
            Replace("m.If(~self.kept)", "m.If(1)"),
            BYTES,
        ),
        (
            "ResultLane.elaborate",
            "a row that waited is forgotten",
            Replace("Mux(self.kept, _, _1)", "_1"),
            BYTES,
        ),
    ),
    *group(
        "RTL",
        "hw.array.grid",
        (
            "skew",
            "skewed operands move while the array stops",
            Replace(
                "module.register(_1, _2, _3, enable='en')",
                'module.register(_1, _2, _3, enable="1\'b1")',
            ),
            TALL,
        ),
    ),
    *group(
        "protocol",
        "hw.array.core",
        (
            "offer_results",
            "a row waits one cycle only",
            Replace("unit.c_tvalid & ~_1", "~unit.kept & beat & ~_1"),
            SINGLE,
        ),
        (
            "offer_results",
            "tlast changes while its beat waits",
            Replace("Mux(unit.kept, _, _1)", "_1"),
            BYTES,
        ),
        (
            "offer_results",
            "the array does not stop for C",
            Replace("unit.en.eq(_)", "unit.en.eq(1)"),
            BYTES,
        ),
    ),
    *group(
        "RTL",
        "hw.array.drain",
        (
            "Handover.elaborate",
            "a row that waits is overwritten",
            Replace("self.en.eq(_)", "self.en.eq(1)"),
            DRAINED,
        ),
        (
            "Handover.elaborate",
            "sums are taken while the stages stand",
            Replace("self.i_tready.eq(_)", "self.i_tready.eq(1)"),
            DRAINED,
        ),
        (
            "Handover.elaborate",
            "the end of a tile is not delayed",
            Replace("valid, last = held, ends", "valid, last = held, self.i_tlast"),
            DRAINED,
        ),
        (
            "drain",
            "a code loses its sign in its slot",
            Replace("_1 if spec.result_signed else _2", "_1 if False else _2"),
            SLOTS,
        ),
    ),
)

WEIGHT_STATIONARY: tuple[Mutant, ...] = (
    *group(
        "RTL",
        "hw.array.ws.pe",
        (
            "WeightElement.elaborate",
            "a weight moves two rows at once",
            Replace("self.south_b.eq(passed)", "self.south_b.eq(waiting)"),
            WEIGHTS,
        ),
        (
            "WeightElement.elaborate",
            "a weight is used before it is swapped",
            Replace("step.i_b.eq(used)", "step.i_b.eq(waiting)"),
            WEIGHTS,
        ),
        (
            "WeightElement.elaborate",
            "a weight in use is that of the next row",
            Replace("used.eq(waiting)", "used.eq(self.north_b)"),
            WEIGHTS,
        ),
    ),
    *group(
        "RTL",
        "hw.array.ws.sums",
        (
            "SumMemory.elaborate",
            "a sum that just left is not forwarded",
            Replace("Mux(now.forward, _, _1)", "_1"),
            WEIGHTS,
        ),
        (
            "SumMemory.elaborate",
            "a sum that left a cycle ago is not forwarded",
            Replace("Mux(now.recent, _, _1)", "_1"),
            WEIGHTS,
        ),
        (
            "SumMemory.elaborate",
            "sums do not start anew",
            Replace("Mux(now.start, 0, _1)", "_1"),
            WEIGHTS,
        ),
    ),
    *group(
        "protocol",
        "hw.array.ws.sequencer",
        (
            "WeightSequencer._take_rows",
            "weights change in mid-pass",
            Replace("~opened | ends", "1"),
            WEIGHTS,
        ),
        (
            "WeightSequencer._take_rows",
            "a short pass does not wait for its sums",
            Remove("wait == 0"),
            WEIGHTS,
        ),
        (
            "WeightSequencer._take_rows",
            "a pause of A counts as a row",
            Replace("(valid | self.en & ~opened) & _1", "self.en & _1"),
            WEIGHTS,
        ),
        (
            "WeightSequencer._take_rows",
            "a bubble behind each pass",
            Replace("down - 1", "down"),
            WEIGHTS,
        ),
        (
            "WeightSequencer._take_weights",
            "weights change before all are there",
            Replace("loaded == rows", "loaded >= rows - 1"),
            WEIGHTS,
        ),
        (
            "WeightSequencer._take_weights",
            "weights load before the last row has swapped",
            Remove("free &= _"),
            SLOW,
        ),
        (
            "WeightSequencer._take_weights",
            "a wrong end of B is no error",
            Replace("wrong.eq(_)", "wrong.eq(0)"),
            WEIGHTS,
        ),
        (
            "WeightSequencer._count_rows",
            "a tile of A that is too long is no error",
            Replace("wrong.eq(_)", "wrong.eq(0)"),
            WEIGHTS,
        ),
        (
            "WeightSequencer._time_sums",
            "sums are kept behind those of the pass before",
            Replace("Mux(_, 0, place + 1)", "place + 1"),
            WEIGHTS,
        ),
    ),
    *group(
        "protocol",
        "hw.array.ws.grid",
        ("_next_frame", "a swap overtakes the sums", Replace("cycles - 1", "cycles - 2"), SLOW),
    ),
)

GEMM: tuple[Mutant, ...] = (
    *group(
        "protocol",
        "hw.gemm.bus",
        (
            "Axi4Lite._write",
            "an answer to a write does not wait",
            Replace("m.Elif(self.s_axil_bready)", "m.Else()"),
            AXI,
        ),
        ("Axi4Lite._write", "data is taken without an address", Remove("self.s_axil_awvalid"), AXI),
        (
            "Axi4Lite._read",
            "an answer to a read does not wait",
            Replace("m.Elif(self.s_axil_rready)", "m.Else()"),
            AXI,
        ),
        ("Wishbone.elaborate", "an access is answered twice", Remove("~answered"), WISHBONE),
        ("Wishbone.elaborate", "a refused access is acknowledged too", Remove("~error"), WISHBONE),
    ),
    *group(
        "protocol",
        "hw.gemm.register_file",
        (
            "RegisterFile._write",
            "settings change under way",
            Replace("~self.lock if _ else 1", "1"),
            AXI,
        ),
    ),
    *group(
        "protocol",
        "hw.gemm.control",
        (
            "Control.elaborate",
            "an end interrupts whether it is wanted or not",
            Remove("self.done_enable"),
            AXI,
        ),
        (
            "Control.elaborate",
            "a refused start keeps the engine busy",
            Remove("self.checked & self.wrong"),
            AXI,
        ),
    ),
    *group(
        "protocol",
        "hw.gemm.os_feed",
        (
            "Feeder.elaborate",
            "the next product begins where the last one was",
            Remove("row.eq(0)"),
            AXI,
        ),
        (
            "Feeder.elaborate",
            "columns beyond N count",
            Replace("below(tiles.cols, _1)", "(1 << _1) - 1"),
            AXI,
        ),
        (
            "Feeder.elaborate",
            "lanes beyond K count",
            Replace("below(k_left, _1)", "(1 << _1) - 1"),
            WISHBONE,
        ),
    ),
    *group(
        "protocol",
        "hw.gemm.ws_feed",
        (
            "RowFeeder.elaborate",
            "rows of A are read once, not for each tile",
            Replace("self.a_addr.eq(tile)", "self.a_addr.eq(part + 1)"),
            WEIGHTS_ENGINE,
        ),
        (
            "RowFeeder._offer",
            "codes beyond K count",
            Replace("below(k_left, _1)", "(1 << _1) - 1"),
            WEIGHTS_ENGINE,
        ),
        (
            "RowFeeder._offer",
            "sums of a pass do not start anew",
            Replace("first & ~self.held", "0"),
            WEIGHTS_ENGINE,
        ),
        (
            "WeightFeeder.elaborate",
            "weights of a step beyond K count",
            Replace("Mux(left < 0, 0, _1)", "Mux(left < 0, 1, _1)"),
            WEIGHTS_ENGINE,
        ),
        (
            "WeightFeeder.elaborate",
            "tiles of weights lie one word apart",
            Replace("tile + self.beats", "tile + 1"),
            WEIGHTS_ENGINE,
        ),
    ),
)

STREAMS = (*OUTPUT_STATIONARY, *SHARED, *WEIGHT_STATIONARY, *GEMM)

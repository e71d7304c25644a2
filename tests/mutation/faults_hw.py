# SPDX-License-Identifier: Apache-2.0
"""Faults in the RTL: datapath, processing element, and the protocol of the streams."""

from tests.mutation.fault import Fault, array_test, mac_test
from tests.mutation.faults_ws import WEIGHTS

__all__ = ["HARDWARE"]

INT, FLOAT, BOTH = mac_test("int8,acc=int27"), mac_test("e4m3,pipeline=1"), mac_test("e4m3:ieee")
INF = mac_test("binary8p3e")
NARROW, COARSE = mac_test("int8,acc=int20-sat"), mac_test("e4m3,acc=fx32m10")
LANES, PIPE = mac_test("e4m3,lanes=3"), mac_test("int8,pipeline=3")
TALL, WIDE, SINGLE = array_test("3x5:e2m1"), array_test("1x3:e5m2"), array_test("1x1:int8")
STEADY = array_test("3x2:int8,acc=int20-sat,pipeline=1")
BYTES = array_test("3x1:int8xuint8")


def _rtl(file: str, name: str, old: str, new: str, tests: tuple[str, ...]) -> Fault:
    """A fault in a file of ``hw``."""
    return Fault(name=name, room="RTL", file=f"hw/{file}", old=old, new=new, tests=tests)


def _protocol(name: str, old: str, new: str, tests: tuple[str, ...],
              file: str = "sequencer.py") -> Fault:
    """A fault in the handshakes and the timing of the array."""
    return Fault(name=name, room="protocol", file=f"hw/array/{file}", old=old, new=new,
                 tests=tests)


HARDWARE = (
    _rtl("arith/columns.py", "a full adder forgets a carry", "(x & y) | (half & z)",
         "(x & y) | (half & x)", INT),
    _rtl("arith/columns.py", "a half adder ors", "total.eq(~(x ^ y) if plus_one else x ^ y)",
         "total.eq(~(x ^ y) if plus_one else x | y)", FLOAT),
    _rtl("arith/add.py", "a borrow is taken for a carry", "carry ^ negative, negative",
         "carry, negative", FLOAT),
    _rtl("arith/add.py", "guard bits only step up", "(x[index] ^ down)", "x[index]", FLOAT),
    _rtl("arith/multiply.py", "Booth digit -2 without its carry",
         "columns.add(place, negative)", "columns.add(place, negative & one)", INT),
    _rtl("arith/multiply.py", "Booth digit 2 where 1 is", "(high ^ middle) & ~one",
         "high ^ middle", INT),
    _rtl("arith/multiply.py", "a product loses its top bit",
         "product.eq(Cat(columns.reduce(0, len(product))))",
         "product.eq(Cat(columns.reduce(0, len(product) - 1)))", FLOAT),
    _rtl("arith/shift.py", "the coarsest shift is one short", "value << (step << lines)",
         "value << ((step << lines) - (step == 3))", FLOAT),
    _rtl("arith/decode.py", "subnormals have exponent 0", "Cat(field[0] | ~normal, field[1:])",
         "field", FLOAT),
    _rtl("arith/decode.py", "subnormals have a hidden bit", "normal.eq(field.any())",
         "normal.eq(1)", FLOAT),
    _rtl("arith/decode.py", "an infinity is NaN too",
         "code[fmt.man_bits:fmt.magnitude_bits].all() & man.any()",
         "code[fmt.man_bits:fmt.magnitude_bits].all()", BOTH),
    _rtl("arith/decode.py", "only the negative NaN is seen", "return magnitude.all()",
         "return code.all()", FLOAT),
    _rtl("arith/decode.py", "minus infinity is not seen",
         "code[:fmt.magnitude_bits] == fmt.inf_code", "code == fmt.inf_code", INF),
    _rtl("arith/decode.py", "a subnormal is taken for zero", "zero.eq(~sig.any() if",
         "zero.eq(~normal if", BOTH),
    _rtl("arith/decode.py", "minus 128 has no absolute value",
         "Mux(sign, -code.as_signed(), code)", "Mux(sign, ~code, code)", mac_test("int4xe4m3")),
    _rtl("arith/round.py", "ties go up", "guard & (sticky | odd)", "guard", COARSE),
    _rtl("arith/round.py", "the sticky bit misses a place", "low[:count - 1].any()",
         "low[:count - 2].any()", COARSE),
    _rtl("mac/product.py", "an infinite b is multiplied",
         "(x.hidden | y.hidden)", "x.hidden", BOTH),
    _rtl("mac/product.py", "infinity times zero is infinite", " | (x.inf & y.zero)", "", BOTH),
    _rtl("mac/product.py", "an infinity has the other sign",
         "Cat(nan | (inf & ~sign), nan | (inf & sign))",
         "Cat(nan | (inf & sign), nan | (inf & ~sign))", BOTH),
    _rtl("mac/unit.py", "flags outlive their sum", "Mux(first, 0, kept_flags) | flags",
         "kept_flags | flags", FLOAT),
    _rtl("mac/unit.py", "flags wait in the pipeline for the next valid pair",
         "            flags = delayed(",
         "            with m.If(valid):\n             flags = delayed(", FLOAT),
    _rtl("mac/fixed.py", "a sum starts from the one before",
         "Mux(first, 0, old.as_signed())", "old.as_signed()", INT),
    _rtl("mac/unit.py", "every pair ends a sum", "kept_valid.eq(valid & last)",
         "kept_valid.eq(valid)", INT),
    _rtl("mac/fixed.py", "saturation at the wrong end",
         "Cat((~sign).replicate(width - 1), sign)", "Cat(sign.replicate(width - 1), ~sign)",
         NARROW),
    _rtl("arith/columns.py", "the sign of a lane is extended wrongly",
         "self.add(len(magnitude), ~sign)", "self.add(len(magnitude), sign)", LANES),
    _rtl("mac/unit.py", "reset leaves a sum in the pipeline",
         'name="valid", reset_less=False', 'name="valid"', PIPE),
    _rtl("mac/unit.py", "the MAC runs on while the array stops",
         "EnableInserter(self.en)(m) if self._enable else m", "m", TALL),
    _rtl("array/pe.py", "a tile's sums are drained into the next one's",
         "self.shift & (self.start | ~fresh)", "self.shift", TALL),
    _rtl("array/pe.py", "a column drains itself twice", "fresh.eq(0)", "fresh.eq(fresh)", TALL),
    _rtl("array/result_lane.py", "a kept row is overwritten", "with m.If(~self.kept):",
         "with m.If(1):", BYTES),
    _rtl("array/result_lane.py", "a row that waited is forgotten",
         "Mux(self.kept, held, self.i)", "self.i", BYTES),
    _rtl("array/skew.py", "skewed operands move while the array stops", 'enable="en"',
         'enable="1\'b1"', TALL),
    _protocol("a short tile starts, not ends, in time", "self.valid & self.last):",
              "self.valid & self.first):", TALL),
    _protocol("the drain has room a cycle too early", "wait.eq(self._spec.rows - 1)",
              "wait.eq(max(self._spec.rows - 2, 0))", TALL),
    _protocol("a bubble behind each tile", "(~self.a_tlast | (wait == 0))",
              "(~self.a_tlast | (wait == 0)) & (~opening | (wait == 0))", STEADY),
    _protocol("A is taken without B", "self.a_tready.eq(ready & self.b_tvalid)",
              "self.a_tready.eq(ready)", SINGLE),
    _protocol("B is taken without A", "self.b_tready.eq(ready & self.a_tvalid)",
              "self.b_tready.eq(ready)", SINGLE),
    _protocol("B's last beat ends a tile", "opening.eq(self.a_tlast)", "opening.eq(self.b_tlast)",
              BYTES),
    _protocol("error is forgotten", "self.error | (self.a_tlast ^ self.b_tlast)",
              "self.a_tlast ^ self.b_tlast", BYTES),
    _protocol("a missing end of B is no error", "(self.a_tlast ^ self.b_tlast)",
              "(~self.a_tlast & self.b_tlast)", BYTES),
    _protocol("an early end of B is no error", "(self.a_tlast ^ self.b_tlast)",
              "(self.a_tlast & ~self.b_tlast)", BYTES),
    _protocol("results are a cycle late", "self._spec.mac.loop_latency + rows)",
              "self._spec.mac.loop_latency + rows + 1)", SINGLE),
    _protocol("the last row is never drained", "left.eq(rows - 1)", "left.eq(rows - 2)", BYTES),
    _protocol("a row waits one cycle only", "unit.c_tvalid & ~unit.c_tready",
              "~unit.kept & beat & ~unit.c_tready", SINGLE, "offer.py"),
    _protocol("tlast changes while its beat waits", "Mux(unit.kept, kept_last, beat_last)",
              "beat_last", BYTES, "offer.py"),
    _protocol("the array does not stop for C", "~unit.kept | ~beat", "1", BYTES, "offer.py"),
    *WEIGHTS,
)

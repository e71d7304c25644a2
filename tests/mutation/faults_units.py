# SPDX-License-Identifier: Apache-2.0
"""Faults in floating-point, aligned and carry-save accumulators and in output stages."""

from tests.mutation.fault import Fault, array_test, mac_test, output_test

__all__ = ["UNITS_RTL"]


def _rtl(file: str, name: str, old: str, new: str, tests: tuple[str, ...]) -> Fault:
    """A fault in a file of ``hw``."""
    return Fault(name=name, room="RTL", file=f"hw/{file}", old=old, new=new, tests=tests)


def _step_test(spelling: str) -> tuple[str, ...]:
    """Every step of walks of a MAC, in floating point or aligned."""
    kind = "aligned" if "aligned" in spelling else "floating"
    test = "test_mac_equals_the_model_behind_every_step"
    return (f"tests/test_hw_mac_{kind}.py::{test}[{spelling}]",)


HALF, SINGLE = _step_test("e4m3,acc=fp16"), _step_test("e4m3,acc=fp32")
WIDE, SATURATED = _step_test("e5m2,acc=fp16"), _step_test("e5m2xe4m3,acc=fp16-sat")
COLUMNS = _step_test("int8,acc=fp16")
TURNING = _step_test("int8,acc=fp16,lanes=8")
FLUSHED, BYTE = _step_test("e4m3fnuz,acc=fp16-ftz"), _step_test("int8,acc=bf16,lanes=3")
LANES = mac_test("e5m2,acc=fp16,lanes=2,pipeline=3")
TENSOR, SMALL = _step_test("e5m2,acc=aligned:25,lanes=3"), _step_test("bf16,acc=aligned:25,lanes=2")
TENSOR_SUMS = mac_test("e4m3,acc=aligned:3,lanes=2")
SAVED, SAVED_MAC = mac_test("int8,acc=int27,adder=carry-save"), mac_test("e4m3,adder=carry-save")
SAVED_ARRAY = array_test("2x3:int8,pipeline=1,adder=carry-save")
ENCODER, TO_INT = output_test("e4m3,from=fp16"), output_test("int8,from=int32,scale=pow2,"
                                                             "zero_point=yes")
SCALED, DRAINED = output_test("e4m3,from=fp16,scale=fp32"), array_test(
    "2x1:e2m1,out=fp32,saturate=no")
FROM_FIXED = output_test("e5m2,from=fx77m32,flags=2,saturate=no")

FLOATING = (
    _rtl("mac/float_add.py", "the accumulator enters a column too high",
         "Cat(Const(0, frame.width - len(old.sig) - 1), old.sig, Const(0, 1))",
         "Cat(Const(0, frame.width - len(old.sig)), old.sig)", HALF),
    _rtl("mac/float_add.py", "a large distance wraps",
         "steps[:stages] | steps[stages:].any().replicate(stages)", "steps[:stages]", SINGLE),
    _rtl("mac/float_add.py", "what was cut borrows too", "sub & ~sticky,", "sub,", HALF),
    _rtl("mac/float_add.py", "the sign stays where the difference is negative",
         "(sub & (aligned.old_is_larger ^ carry))", "(sub & ~aligned.old_is_larger)", HALF),
    _rtl("mac/float_add.py", "a sum that cancels keeps a sign",
         "summed.negative & ~zero", "summed.negative", HALF),
    _rtl("mac/float_round.py", "rounding does not reach the exponent", "leads & carry",
         "Const(0)", HALF),
    _rtl("mac/float_round.py", "a subnormal never rounds to a normal", "leads | carry",
         "leads", WIDE),
    _rtl("mac/float_add.py", "the smaller one counts where there is none",
         "larger & roles.has_term", "larger", SATURATED),
    _rtl("mac/float_code.py", "the sign outlives its sum", "code[-1] & ~first if",
         "code[-1] if", WIDE),
    _rtl("mac/float_code.py", "infinity less infinity is infinite",
         "(old.special & (old.sign ^ term.sign))", "(old.special & old.sign & term.sign)", WIDE),
    _rtl("mac/float_code.py", "an infinity keeps a mantissa", "man & ~beyond.replicate(len(man))",
         "man", WIDE),
    _rtl("mac/float_code.py", "the largest number is a quarter of it",
         "(beyond | special).replicate(len(exp) - 1)",
         "Cat(special, (beyond | special).replicate(len(exp) - 2))", SATURATED),
    _rtl("mac/place.py", "an offset stays with the sum of the exponents alone",
         "own[lengths.index(shorter)] = offset - coarse", "pass", HALF),
    _rtl("mac/place.py", "a shifted operand keeps its exponent",
         "(operand.base - place + offset ^ offset) >> bit & 1]",
         "(operand.base + offset ^ offset) >> bit & 1]", HALF),
    _rtl("mac/window.py", "a sum that starts anew goes on",
         "old.sig & ~first.replicate(len(old.sig))", "old.sig", COLUMNS),
    _rtl("mac/window.py", "an infinity takes the sign of the sum",
         "if self._may_turn", "if False", TURNING),
    _rtl("mac/window.py", "an infinity becomes finite", "infinite=old.special",
         "infinite=Const(0)", TURNING),
    _rtl("mac/window.py", "the accumulator is a place too high", "(self._top + 1) %",
         "self._top %", COLUMNS),
    _rtl("mac/float_code.py", "subnormals are not flushed",
         "frame.clamps and not frame.spec.acc.subnormals", "False", FLUSHED),
    _rtl("mac/float_code.py", "a bit of the exponent that was left out comes back wrong",
         "(exp.any() & ~exp[-1]) | special", "~exp[-1] | special", SINGLE),
    _rtl("mac/term.py", "a product of two or more is not moved", "Mux(leads, sig, sig << 1)",
         "sig", HALF),
    _rtl("mac/term.py", "a negative sum of lanes is one unit off",
         "Const(0, len(flipped)), negative", "Const(0, len(flipped)), Const(0)", BYTE),
    _rtl("mac/term.py", "infinities of two lanes do not cancel", "nan | (plus & minus), plus",
         "nan, plus", LANES),
    _rtl("mac/frame.py", "the frame is a column too narrow", "max(self.fmt.man_bits + 3,",
         "max(self.fmt.man_bits + 2,", SINGLE),
    _rtl("arith/normalize.py", "a limit ends with the stage that uses it",
         "beyond | (own & ~wanted)", "beyond | own", HALF),
    _rtl("arith/align.py", "bits that a coarse stage drops are forgotten",
         "return value, Cat(dropped).any()", "return value, Cat(dropped[1:]).any()", HALF),
    _rtl("arith/round.py", "a short difference makes no tie", "carries & ~guard & odd", "Const(0)",
         _step_test("e2m5,acc=bf16")),
)

ALIGNED = (
    _rtl("mac/aligned.py", "a zero has a place", "sig.any().replicate(len(place))",
         "Const(-1, len(place))", TENSOR),
    _rtl("mac/aligned.py", "minus one unit too many", "Mux(sign, -total.as_signed(), total)",
         "Mux(sign, ~total, total)", TENSOR),
    _rtl("mac/aligned.py", "terms far below come back", "near = ~distance[stages:].any()",
         "near = Const(1)", TENSOR),
    _rtl("mac/aligned.py", "the smaller place is the window's", "Mux(x > y, x, y)",
         "Mux(x > y, y, x)", TENSOR),
    _rtl("mac/aligned.py", "an infinity keeps its fraction", "Mux(infinite, 0, fraction)",
         "fraction", TENSOR),
    _rtl("mac/aligned.py", "what underflows is minus zero",
         "sign & (led[-1] | fraction.any())", "sign", SMALL),
    _rtl("mac/aligned.py", "NaN ends in zeros",
         "dropped = nan.replicate(acc.fmt.man_bits - acc.kept_bits)",
         "dropped = Const(0, acc.fmt.man_bits - acc.kept_bits)", TENSOR_SUMS),
    _rtl("mac/aligned.py", "what lies below the subnormals is a bit too high", "1 - field",
         "-field", SMALL),
)

SAVED_SUMS = (
    _rtl("mac/saved.py", "carries are resolved a place too low",
         "Cat(Const(0, saved.start), carries, step)",
         "Cat(Const(0, max(saved.start - 1, 0)), carries, step)", SAVED_MAC),
    _rtl("mac/saved.py", "a step down is resolved as one up",
         "(down & ~up).replicate(saved.width)", "Const(0, saved.width)", SAVED_MAC),
    _rtl("mac/carry_save.py", "carries outlive their sum", "Mux(first, 0, carries))", "carries)",
         SAVED),
    _rtl("arith/prefix.py", "a carry passes what does not propagate",
         "high[0] | (high[1] & low[0])", "high[0] | low[0]", SAVED),
    _rtl("arith/prefix.py", "a step down goes as far as one up", "(minus & downs[i])",
         "(minus & ups[i])", SAVED_MAC),
    _rtl("array/sequencer.py", "rows leave before they are resolved",
         "for stage in range(self._resolve_stages):", "for stage in range(0):", SAVED_ARRAY),
)

OUTPUT = (
    _rtl("output/floating.py", "ties go up", "rounds_up(Rounding.RNE, odd=kept[0]",
         "rounds_up(Rounding.RNE, odd=Const(1)", ENCODER),
    _rtl("output/floating.py", "what lies below the format's bits is forgotten",
         "aligned[0] | lost", "lost", ENCODER),
    _rtl("output/floating.py", "the largest number overflows", "magnitude > fmt.max_code",
         "magnitude >= fmt.max_code", FROM_FIXED),
    _rtl("output/floating.py", "NaN is what its sum is",
         "Mux(number.nan, fmt.nan_code or 0, finite)", "finite", FROM_FIXED),
    _rtl("output/integers.py", "a zero point has no sign",
         "offset.as_signed() if fmt.signed else offset", "offset", TO_INT),
    _rtl("output/integers.py", "what is far beyond is lost", " | (over & number.sig.any())", "",
         TO_INT),
    _rtl("output/integers.py", "ties go up", "rounds_up(Rounding.RNE, odd=kept[0]",
         "rounds_up(Rounding.RNE, odd=Const(1)", TO_INT),
    _rtl("output/source.py", "an infinity has the sign of its sum", "Mux(inf, flags[1], negative)",
         "negative", FROM_FIXED),
    _rtl("output/source.py", "an infinity is zero too", "~(self.sig.any() | self.inf)",
         "~self.sig.any()", output_test("e5m2,from=fx77m32,flags=2,saturate=no,scale=fp32")),
    _rtl("output/scale.py", "the sign of a factor is lost", "number.sign ^ factor.sign",
         "number.sign", SCALED),
    _rtl("output/scale.py", "an exponent has no sign", "scale.as_signed()", "scale", TO_INT),
    _rtl("output/unit.py", "reset leaves a sum on its way", "reset_less=False", "reset_less=True",
         ENCODER),
)

DRAIN = (
    _rtl("array/handover.py", "a row that waits is overwritten",
         "self.en.eq(~valid | self.o_tready)", "self.en.eq(1)", DRAINED),
    _rtl("array/handover.py", "sums are taken while the stages stand",
         "self.i_tready.eq(self.en)", "self.i_tready.eq(1)", DRAINED),
    _rtl("array/handover.py", "the end of a tile is not delayed", "valid, last = held, ends",
         "valid, last = held, self.i_tlast", DRAINED),
    _rtl("array/drain.py", "a code loses its sign in its slot", "if spec.result_signed else",
         "if False else", array_test("2x2:e5m2,adder=carry-save,out=int4,zero_point=yes")),
)

UNITS_RTL = (*FLOATING, *ALIGNED, *SAVED_SUMS, *OUTPUT, *DRAIN)

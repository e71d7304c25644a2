# SPDX-License-Identifier: Apache-2.0
"""Mutants of MACs and output stages: their RTL, and their Verilog."""

from tests.mutation.mutant import (
    Mutant,
    Remove,
    Replace,
    VerilogMutant,
    array_test,
    group,
    mac_test,
    output_test,
    step_test,
)

INT, FLOAT, BOTH = mac_test("int8,acc=int27"), mac_test("e4m3,pipeline=1"), mac_test("e4m3:ieee")
NARROW, COARSE = mac_test("int8,acc=int20-sat"), mac_test("e4m3,acc=fx32m10")
INF, MIXED = mac_test("binary8p3e"), mac_test("int4xe4m3")
LANES, PIPE = mac_test("e4m3,lanes=3"), mac_test("int8,pipeline=3")
ARRAY = array_test("e2m1,array=3x5")

HALF, SINGLE, WIDE = (
    step_test(unit) for unit in ("e4m3,acc=fp16", "e4m3,acc=fp32", "e5m2,acc=fp16")
)
SATURATED, FLUSHED = step_test("e5m2xe4m3,acc=fp16-sat"), step_test("e4m3fnuz,acc=fp16-ftz")
COLUMNS, TURNING = step_test("int8,acc=fp16"), step_test("int8,acc=fp16,lanes=8")
BYTE, SHORT = step_test("int8,acc=bf16,lanes=3"), step_test("e2m5,acc=bf16")
FLOAT_LANES = mac_test("e5m2,acc=fp16,lanes=2,pipeline=3")
TENSOR, SMALL = step_test("e5m2,acc=aligned:25,lanes=3"), step_test("bf16,acc=aligned:25,lanes=2")
TENSOR_SUMS = mac_test("e4m3,acc=aligned:3,lanes=2")
SAVED, SAVED_MAC = mac_test("int8,acc=int27,adder=carry-save"), mac_test("e4m3,adder=carry-save")
#: A step with registers against the same one without.
STEP = "tests/hw/test_mac_step.py::test_registers_in_a_step_only_delay_it"
STEPS, FLOAT_STEPS = (f"{STEP}[int8,acc=int20-sat]",), (f"{STEP}[e4m3,acc=fp32]",)

ENCODER, SCALED = output_test("e4m3,from=fp16"), output_test("e4m3,from=fp16,scale=fp32")
TO_INT = output_test("int8,from=int32,scale=pow2,zero_point=yes")
FROM_FIXED = output_test("e5m2,from=fx77m32,flags=2,saturate=no")
INFINITE = output_test("e5m2,from=fx77m32,flags=2,saturate=no,scale=fp32")

ARITHMETIC: tuple[Mutant, ...] = (
    *group(
        "RTL",
        "hw.arith.columns",
        (
            "full_adder",
            "a full adder forgets a carry",
            Replace("_1 & _2 | _3 & _", "_1 & _2 | _3 & _1"),
            INT,
        ),
        (
            "Columns._place",
            "a half adder ors",
            Replace("~(_1 ^ _2) if _3 else _1 ^ _2", "~(_1 ^ _2) if _3 else _1 | _2"),
            FLOAT,
        ),
        (
            "Columns.add_signed",
            "the sign of a lane is extended wrongly",
            Replace("self.add(_1, ~_2)", "self.add(_1, _2)"),
            LANES,
        ),
    ),
    *group(
        "RTL",
        "hw.arith.add",
        (
            "add_signed_magnitude",
            "a borrow is taken for a carry",
            Replace("carry ^ negative", "carry"),
            FLOAT,
        ),
        ("step_by_one", "guard bits only step up", Replace("_1 ^ down", "_1"), FLOAT),
        ("_join", "a carry passes what does not propagate", Replace("_ & low[0]", "low[0]"), SAVED),
        (
            "prefix_step",
            "a step down goes as far as one up",
            Replace("minus & downs[_1]", "minus & ups[_1]"),
            SAVED_MAC,
        ),
    ),
    *group(
        "RTL",
        "hw.arith.multiply",
        (
            "booth_rows",
            "Booth digit -2 without its carry",
            Replace("columns.add(_1, negative)", "columns.add(_1, negative & one)"),
            INT,
        ),
        ("_booth_digit", "Booth digit 2 where 1 is", Remove("~one"), INT),
        (
            "multiply_magnitudes",
            "a product loses its top bit",
            Replace("columns.reduce(0, _1)", "columns.reduce(0, _1 - 1)"),
            FLOAT,
        ),
    ),
    *group(
        "RTL",
        "hw.arith.shift",
        (
            "shift_left",
            "the coarsest shift is one short",
            Replace("value << (step << _1)", "value << ((step << _1) - (step == 3))"),
            FLOAT,
        ),
        (
            "shift_right",
            "bits that a coarse stage drops are forgotten",
            Replace("Cat(dropped)", "Cat(dropped[1:])"),
            HALF,
        ),
    ),
    *group(
        "RTL",
        "hw.arith.decode",
        ("special_product", "infinity times zero is infinite", Remove("x.inf & y.zero"), BOTH),
        ("decode", "subnormals have exponent 0", Replace("Cat(_1[0] | ~_, _1[1:])", "_1"), FLOAT),
        (
            "decode",
            "subnormals have a hidden bit",
            Replace("_1.eq(field.any())", "_1.eq(1)"),
            FLOAT,
        ),
        ("decode", "a subnormal is taken for zero", Replace("~sig.any()", "~normal"), BOTH),
        ("_is_nan", "an infinity is NaN too", Remove("man.any()"), BOTH),
        (
            "_is_nan",
            "only the negative NaN is seen",
            Replace("magnitude.all()", "code.all()"),
            FLOAT,
        ),
        ("_is_inf", "minus infinity is not seen", Replace("code[:_] == _1", "code == _1"), INF),
        (
            "_decode_integer",
            "minus 128 has no absolute value",
            Replace("-code.as_signed()", "~code"),
            MIXED,
        ),
    ),
    *group(
        "RTL",
        "hw.arith.round",
        ("rounds_up", "ties go up", Remove("sticky | odd"), COARSE),
        (
            "drop_bits",
            "the sticky bit misses a place",
            Replace("low[:count - 1]", "low[:count - 2]"),
            COARSE,
        ),
        (
            "rounds_up_short",
            "a short difference makes no tie",
            Replace("carries & ~guard & odd", "Const(0)"),
            SHORT,
        ),
    ),
    *group(
        "RTL",
        "hw.arith.normalize",
        ("normalize", "a limit ends with the stage that uses it", Remove("~wanted"), HALF),
    ),
)

FIXED: tuple[Mutant, ...] = (
    *group(
        "RTL",
        "hw.mac.product",
        (
            "multiply",
            "an infinite b is multiplied",
            Replace("(x.hidden | y.hidden)", "x.hidden"),
            BOTH,
        ),
        (
            "multiply",
            "an infinity has the other sign",
            Replace("Cat(_1 | _2 & ~_3, _1 | _2 & _3)", "Cat(_1 | _2 & _3, _1 | _2 & ~_3)"),
            BOTH,
        ),
    ),
    *group(
        "RTL",
        "hw.mac.unit",
        (
            "MacUnit.elaborate",
            "flags outlive their sum",
            Replace("Mux(first, 0, _1) | flags", "_1 | flags"),
            FLOAT,
        ),
        (
            "MacUnit.elaborate",
            "flags wait in the pipeline for the next valid pair",
            Replace(
                "flags = delayed(m, flags, _1, name=_2)",
                "with m.If(valid): flags = delayed(m, flags, _1, name=_2)",
            ),
            FLOAT,
        ),
        ("MacUnit.elaborate", "every pair ends a sum", Replace("valid & last", "valid"), INT),
        (
            "MacUnit.elaborate",
            "reset leaves a sum in the pipeline",
            Replace(
                "delayed(_1, _2, _3, name='valid', reset_less=False)",
                "delayed(_1, _2, _3, name='valid')",
            ),
            PIPE,
        ),
        (
            "MacUnit.elaborate",
            "the MAC runs on while the array stops",
            Replace("EnableInserter(_)(_1) if _ else _1", "_1"),
            ARRAY,
        ),
    ),
    *group(
        "RTL",
        "hw.mac.fixed",
        (
            "FixedMac.next_sum",
            "a sum starts from the one before",
            Replace("Mux(first, 0, _1)", "_1"),
            INT,
        ),
        (
            "_saturate",
            "saturation at the wrong end",
            Replace("Cat((~_1).replicate(_2), _1)", "Cat(_1.replicate(_2), ~_1)"),
            NARROW,
        ),
        (
            "CarrySaveMac.next_sum",
            "carries outlive their sum",
            Replace("Mux(first, 0, carries)", "carries"),
            SAVED,
        ),
        (
            "pass_sum",
            "a part of a sum is a cycle early",
            Replace("cycles - part", "cycles - part - 1"),
            STEPS,
        ),
    ),
    *group(
        "RTL",
        "hw.mac.carry_save",
        (
            "resolve_sum",
            "carries are resolved a place too low",
            Replace("Const(0, state.start)", "Const(0, max(state.start - 1, 0))"),
            SAVED_MAC,
        ),
        (
            "resolve_sum",
            "a step down is resolved as one up",
            Replace("(_ & ~_).replicate(_1)", "Const(0, _1)"),
            SAVED_MAC,
        ),
    ),
)

FLOATING: tuple[Mutant, ...] = (
    *group(
        "RTL",
        "hw.mac.float_add",
        (
            "_align",
            "the accumulator enters a column too high",
            Replace("Cat(Const(0, _1 - 1), _2, Const(0, 1))", "Cat(Const(0, _1), _2)"),
            HALF,
        ),
        (
            "_align",
            "the smaller one counts where there is none",
            Remove("roles.has_term"),
            SATURATED,
        ),
        ("_compare", "a large distance wraps", Remove("_.any().replicate(stages)"), SINGLE),
        ("_add", "what was cut borrows too", Remove("~sticky"), HALF),
        (
            "_add",
            "the sign stays where the difference is negative",
            Replace("aligned.old_is_larger ^ carry", "~aligned.old_is_larger"),
            HALF,
        ),
        ("add_term", "a sum that cancels keeps a sign", Remove("~zero"), HALF),
        (
            "add_term",
            "a sum is rounded with the place of the next one",
            Replace("cut('total', _1, _2)", "(*cut('total', _1), _2)"),
            FLOAT_STEPS,
        ),
        (
            "round_normal",
            "rounding does not reach the exponent",
            Replace("leads & carry", "Const(0)"),
            HALF,
        ),
        (
            "round_normal",
            "a subnormal never rounds to a normal",
            Replace("leads | carry", "leads"),
            WIDE,
        ),
        (
            "unpack_sum",
            "the sign outlives its sum",
            Replace("code[-1] & ~first if _1 else _2", "code[-1] if _1 else _2"),
            WIDE,
        ),
        (
            "pack_sum",
            "infinity less infinity is infinite",
            Replace("old.special & (old.sign ^ term.sign)", "old.special & old.sign & term.sign"),
            WIDE,
        ),
        (
            "pack_sum",
            "subnormals are not flushed",
            Replace("window.clamps and not _", "False"),
            FLUSHED,
        ),
        ("_limit", "an infinity keeps a mantissa", Remove("~beyond.replicate(_)"), WIDE),
        (
            "_limit",
            "the largest number is a quarter of it",
            Replace(
                "(_1 | special).replicate(_2 - 1)", "Cat(special, (_1 | special).replicate(_2 - 2))"
            ),
            SATURATED,
        ),
        (
            "_widen",
            "a bit of the exponent that was left out comes back wrong",
            Remove("exp.any()"),
            SINGLE,
        ),
    ),
    *group(
        "RTL",
        "hw.mac.float_term",
        (
            "split_offset",
            "an offset stays with the sum of the exponents alone",
            Remove("own[_] = _"),
            HALF,
        ),
        (
            "lead",
            "a shifted operand keeps its exponent",
            Replace("operand.base - shift", "operand.base"),
            HALF,
        ),
        (
            "_product",
            "a product of two or more is not moved",
            Replace("Mux(leads, _1, _1 << 1)", "_1"),
            HALF,
        ),
        (
            "_signed_sum",
            "a negative sum of lanes is one unit off",
            Replace(
                "add(_1, _2, _3, negative, adder=_4, name=_5)",
                "add(_1, _2, _3, Const(0), adder=_4, name=_5)",
            ),
            BYTE,
        ),
        ("_sum", "infinities of two lanes do not cancel", Remove("plus & minus"), FLOAT_LANES),
    ),
    *group(
        "RTL",
        "hw.mac.fixed_window",
        (
            "FixedWindow._aligned",
            "a sum that starts anew goes on",
            Remove("~first.replicate(_)"),
            COLUMNS,
        ),
        (
            "FixedWindow._aligned",
            "the accumulator is a place too high",
            Replace("(self._top + 1) % _1", "self._top % _1"),
            COLUMNS,
        ),
        (
            "FixedWindow.next_sum",
            "an infinity takes the sign of the sum",
            Replace("_1 if self._may_turn else _2", "_1 if False else _2"),
            TURNING,
        ),
        (
            "FixedWindow.next_sum",
            "an infinity becomes finite",
            Replace("replace(_1, infinite=_)", "replace(_1, infinite=Const(0))"),
            TURNING,
        ),
    ),
    *group(
        "RTL",
        "hw.mac.align_window",
        (
            "AlignWindow._width",
            "the frame is a column too narrow",
            Replace("self.fmt.man_bits + 3", "self.fmt.man_bits + 2"),
            SINGLE,
        ),
    ),
    *group(
        "RTL",
        "hw.mac.aligned",
        (
            "AlignedMac._term",
            "a zero has a place",
            Replace("sig.any().replicate(_1)", "Const(-1, _1)"),
            TENSOR,
        ),
        (
            "AlignedMac._code",
            "minus one unit too many",
            Replace("-total.as_signed()", "~total"),
            TENSOR,
        ),
        (
            "AlignedMac._code",
            "an infinity keeps its fraction",
            Replace("Mux(infinite, 0, _1)", "_1"),
            TENSOR,
        ),
        ("AlignedMac._code", "what underflows is minus zero", Remove("_ | fraction.any()"), SMALL),
        (
            "AlignedMac._code",
            "NaN ends in zeros",
            Replace("nan.replicate(_1)", "Const(0, _1)"),
            TENSOR_SUMS,
        ),
        (
            "AlignedMac._aligned",
            "terms far below come back",
            Replace("~distance[stages:].any()", "Const(1)"),
            TENSOR,
        ),
        (
            "AlignedMac._raise",
            "what lies below the subnormals is a bit too high",
            Replace("1 - field", "-field"),
            SMALL,
        ),
        (
            "_largest",
            "the smaller place is the window's",
            Replace("Mux(_1, _2, _3)", "Mux(_1, _3, _2)"),
            TENSOR,
        ),
    ),
)

OUTPUT: tuple[Mutant, ...] = (
    *group(
        "RTL",
        "hw.arith.encode",
        ("_round_float", "ties go up", Replace("kept[0]", "Const(1)"), ENCODER),
        (
            "_round_float",
            "what lies below the format's bits is forgotten",
            Remove("aligned[0]"),
            ENCODER,
        ),
        (
            "_limit",
            "the largest number overflows",
            Replace("magnitude > fmt.max_code", "magnitude >= fmt.max_code"),
            FROM_FIXED,
        ),
        ("_limit", "NaN is what its sum is", Replace("Mux(number.nan, _, _1)", "_1"), FROM_FIXED),
        (
            "encode_integer",
            "a zero point has no sign",
            Replace("_1.as_signed() if fmt.signed else _1", "_1"),
            TO_INT,
        ),
        ("_round_integer", "what is far beyond is lost", Remove("over & number.sig.any()"), TO_INT),
        ("_round_integer", "ties go up", Replace("kept[0]", "Const(1)"), TO_INT),
    ),
    *group(
        "RTL",
        "hw.arith.number",
        (
            "_fixed",
            "an infinity has the sign of its sum",
            Replace("Mux(inf, _, _1)", "_1"),
            FROM_FIXED,
        ),
        ("Number.zero", "an infinity is zero too", Remove("self.inf"), INFINITE),
        ("scaled", "the sign of a factor is lost", Remove("factor.sign"), SCALED),
        ("scaled", "an exponent has no sign", Replace("scale.as_signed()", "scale"), TO_INT),
    ),
    *group(
        "RTL",
        "hw.output.unit",
        ("Output.elaborate", "reset leaves a sum on its way", Replace("False", "True"), ENCODER),
    ),
)

DATAPATH = (*ARITHMETIC, *FIXED, *FLOATING, *OUTPUT)


def _verilog(unit: str, name: str, old: str, new: str) -> VerilogMutant:
    """A mutant of the Verilog of ``unit``, which its own bench must kill."""
    tests = array_test(unit) if ",array=" in unit else mac_test(unit)
    return VerilogMutant(name=name, place=unit, old=old, new=new, tests=tests)


#: Errors that a generator or a tool could add to correct RTL.
VERILOG = (
    _verilog(
        "e4m3,pipeline=1",
        "a pair that ends a sum opens one too",
        "first_q1 <= i_first;",
        "first_q1 <= i_first | i_last;",
    ),
    _verilog(
        "e4m3,pipeline=1",
        "the last bit of the sum is never written",
        "sum_0_s, sum_0 } : o_data;",
        "sum_0_s, o_data[0] } : o_data;",
    ),
    _verilog(
        "e4m3,pipeline=1",
        "the sign is a cycle early",
        "lane0_sign_q1 <= lane0_sign;",
        "lane0_sign_q1 <= i_a[7];",
    ),
    _verilog(
        "e2m1,array=3x5",
        "a column of B is skewed by its neighbour",
        "delay_3 <= delay_2[11:4];",
        "delay_3 <= delay_2[7:0];",
    ),
    _verilog(
        "e2m1,array=3x5",
        "the frame of a row moves while the array stops",
        "else if (en) frame_2 <= frame;",
        "else frame_2 <= frame;",
    ),
    _verilog(
        "e2m1,array=3x5",
        "two rows get the same codes of A",
        "{frame_1, skewed_a[3:0]}",
        "{frame_1, skewed_a[7:4]}",
    ),
    _verilog(
        "e2m1,array=3x5",
        "a result is padded with zeros",
        "{ offered[20], offered[20], offered[20], offered }",
        "{ 3'h0, offered }",
    ),
)

# SPDX-License-Identifier: Apache-2.0
"""Mutants of the golden model, its numpy twin and the specification."""

from tests.mutation.mutant import Mutant, Remove, Replace, group

INTEGERS, GOLDEN = ("tests/sim/test_integers.py",), ("tests/sim/test_golden.py",)
VECTOR, CONVERT = ("tests/sim/test_vector.py",), ("tests/sim/test_convert.py",)
LINEAR = ("tests/sim/test_linear.py",)
FORMATS, MACS = ("tests/hw/spec/test_formats.py",), ("tests/hw/spec/test_macs.py",)
ACCUMULATORS = ("tests/hw/spec/test_accumulators.py",)
ARRAYS, WEIGHTS = ("tests/hw/spec/test_arrays.py",), ("tests/hw/spec/test_arrays_ws.py",)

MODEL: tuple[Mutant, ...] = (
    *group(
        "model",
        "sim.integers",
        ("shift_right", "ties go up", Replace("_1 + (quotient & 1) > _2", "_1 >= _2"), INTEGERS),
        (
            "fit",
            "the lowest sum saturates a unit early",
            Replace("max(value, acc.min)", "max(value, -acc.max)"),
            INTEGERS,
        ),
        (
            "fit",
            "a sum wraps to the wrong half",
            Replace("(value - acc.min) % _1 + acc.min", "value % _1"),
            INTEGERS,
        ),
        (
            "pack",
            "the largest value overflows",
            Replace("code > fmt.max_code", "code >= fmt.max_code"),
            INTEGERS,
        ),
        ("_units", "a third is rounded as if it were exact", Remove("rest > 0"), CONVERT),
    ),
    *group(
        "model",
        "sim.golden",
        ("_flag", "zero times infinity is no NaN", Remove("zero"), GOLDEN),
        (
            "Mac.step",
            "flags outlive their sum",
            Replace("self.acc, self.flags = 0, Flag.FINITE", "self.acc = 0"),
            (*GOLDEN, *VECTOR),
        ),
        (
            "Mac._add_fixed",
            "sums of lanes are rounded, not products",
            Replace("shift_right(_1, _2, _)", "_1 >> max(_2, 0)"),
            GOLDEN,
        ),
    ),
    *group(
        "model",
        "sim.vector.codes",
        ("unpack", "subnormals have exponent -1", Replace("np.maximum(_1, 1) - 1", "_1"), VECTOR),
        (
            "unpack",
            "NaN keeps a significand",
            Replace("sig[_] = exp[_1] = 0", "exp[_1] = 0"),
            VECTOR,
        ),
        (
            "_flags",
            "infinity times minus one is plus infinity",
            Replace("Flag(_1 ^ Flag.NAN)", "_1"),
            VECTOR,
        ),
        (
            "encode_parts",
            "overflow keeps no sign",
            Replace("codes[signed] |= _1", "codes[signed & ~beyond] |= _1"),
            CONVERT,
        ),
    ),
    *group(
        "model",
        "sim.vector.fixed",
        ("FLOAT_BITS", "digits are too long for float64", Replace("53", "63"), VECTOR),
        (
            "flags",
            "only the last operand's flags count",
            Replace("result |= _1", "result = _1"),
            (*VECTOR, *LINEAR),
        ),
    ),
    *group(
        "model",
        "sim.linear",
        (
            "_accumulate",
            "sums of 77 bits are cut to a machine word",
            Replace("_1.width <= 63", "_1.width <= 77"),
            LINEAR,
        ),
    ),
    *group(
        "specification",
        "hw.spec.catalog",
        (
            "_GROUPS",
            "e4m3 has infinities",
            Replace('_float("e4m3", _1, _2, Specials.FN)', '_float("e4m3", _1, _2, Specials.IEEE)'),
            FORMATS,
        ),
    ),
    *group(
        "specification",
        "hw.spec.formats",
        (
            "Format.unpack",
            "the hidden bit is hidden from subnormals only",
            Replace("1 << self.man_bits if field else 0", "1 << self.man_bits"),
            FORMATS,
        ),
        (
            "Format.lsb_exp",
            "a unit is twice as large",
            Replace("1 - self.bias", "2 - self.bias"),
            FORMATS,
        ),
    ),
    *group(
        "specification",
        "hw.spec.accumulators",
        (
            "FixedAccumulator.exact",
            "an exact accumulator is a bit short",
            Replace("max(_1, _2) + 1", "max(_1, _2)"),
            ACCUMULATORS,
        ),
    ),
    *group(
        "specification",
        "hw.spec.arrays",
        (
            "ArraySpec.passage",
            "the last column is forgotten in the latency",
            Replace("_1 + self.cols - 1", "_1 + self.cols - 2"),
            ARRAYS,
        ),
        (
            "OutputStationary.interval",
            "short tiles follow each other at once",
            Replace("max(_1, _2)", "_1"),
            ARRAYS,
        ),
        (
            "WeightStationary.row_latency",
            "a sum passes a row in a cycle whatever its adder",
            Replace("1 + _", "1"),
            WEIGHTS,
        ),
        (
            "WeightStationary.interval",
            "weights of short passes load in no time",
            Replace("max(_1, self.down)", "_1"),
            WEIGHTS,
        ),
        (
            "WeightStationary.cycles",
            "the last tile is as long as the others",
            Replace("self.interval(last + 1, _1)", "self.interval(self.height, _1)"),
            WEIGHTS,
        ),
    ),
    *group(
        "specification",
        "hw.spec.macs",
        ("MacSpec.flag_bits", "infinities of b need no flags", Remove("self.b.has_inf"), MACS),
    ),
)

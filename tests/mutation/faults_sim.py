# SPDX-License-Identifier: Apache-2.0
"""Faults in the golden model, its numpy twin and the specification."""

from tests.mutation.fault import Fault

__all__ = ["MODEL"]


def _model(file: str, name: str, old: str, new: str, *tests: str) -> Fault:
    """A fault in a file of ``sim``."""
    return Fault(name=name, room="model", file=f"sim/{file}", old=old, new=new,
                 tests=tuple(f"tests/{test}" for test in tests))


def _spec(file: str, name: str, old: str, new: str, *tests: str) -> Fault:
    """A fault in a file of ``hw/spec``."""
    return Fault(name=name, room="specification", file=f"hw/spec/{file}", old=old, new=new,
                 tests=tuple(f"tests/{test}" for test in tests))


MODEL = (
    _model("integers.py", "ties go up", "twice_rest + (quotient & 1) > 1 << shift",
           "twice_rest >= 1 << shift", "test_sim_integers.py"),
    _model("integers.py", "the lowest sum saturates a unit early",
           "min(max(value, acc.min), acc.max)", "min(max(value, -acc.max), acc.max)",
           "test_sim_integers.py"),
    _model("integers.py", "a sum wraps to the wrong half",
           "(value - acc.min) % (1 << acc.width) + acc.min", "value % (1 << acc.width)",
           "test_sim_integers.py"),
    _model("integers.py", "the largest value overflows", "if code > fmt.max_code:",
           "if code >= fmt.max_code:", "test_sim_integers.py"),
    _model("integers.py", "a third is rounded as if it were exact",
           "units = quotient | (rest > 0)", "units = quotient", "test_sim_convert.py"),
    _model("golden.py", "zero times infinity is no NaN", "Kind.NAN in kinds or zero",
           "Kind.NAN in kinds", "test_sim_golden.py"),
    _model("golden.py", "flags outlive their sum", "self.acc, self.flags = 0, Flag.FINITE",
           "self.acc = 0", "test_sim_golden.py", "test_sim_vector.py"),
    _model("golden.py", "sums of lanes are rounded, not products",
           "total += shift_right(product.units, acc.lsb - self.spec.product_lsb, acc.rounding)",
           "total += product.units >> max(acc.lsb - self.spec.product_lsb, 0)",
           "test_sim_golden.py"),
    _model("vector/codes.py", "subnormals have exponent -1",
           "exp = np.maximum(field, 1) - 1", "exp = field", "test_sim_vector.py"),
    _model("vector/codes.py", "infinity times minus one is plus infinity",
           "other = Flag(flag ^ Flag.NAN)", "other = flag", "test_sim_vector.py"),
    _model("vector/codes.py", "NaN keeps a significand", "sig[special] = exp[special] = 0",
           "exp[special] = 0", "test_sim_vector.py"),
    _model("vector/fixed.py", "digits are too long for float64", "FLOAT_BITS = 53",
           "FLOAT_BITS = 63", "test_sim_vector.py"),
    _model("vector/fixed.py", "only the last operand's flags count", "result |= FLAGS",
           "result = FLAGS", "test_sim_vector.py", "test_sim_linear.py"),
    _model("vector/codes.py", "overflow keeps no sign", "codes[signed] |= fmt.sign_code",
           "codes[signed & ~beyond] |= fmt.sign_code", "test_sim_convert.py"),
    _model("linear.py", "sums of 77 bits are cut to a machine word",
           "np.int64 if spec.acc.width <= 63 else object",
           "np.int64 if spec.acc.width <= 77 else object", "test_sim_linear.py"),
    _spec("catalog.py", "e4m3 has infinities", '_float("e4m3", 4, 3, Specials.FN)',
          '_float("e4m3", 4, 3, Specials.IEEE)', "test_spec_formats.py"),
    _spec("formats.py", "the hidden bit is hidden from subnormals only",
          "sig = man | (1 << self.man_bits if field else 0)", "sig = man | 1 << self.man_bits",
          "test_spec_formats.py"),
    _spec("formats.py", "a unit is twice as large", "return 1 - self.bias - self.man_bits",
          "return 2 - self.bias - self.man_bits", "test_spec_formats.py"),
    _spec("accumulators.py", "an exact accumulator is a bit short",
          "(-low - 1).bit_length() if low else 0) + 1",
          "(-low - 1).bit_length() if low else 0)", "test_spec_accumulators.py"),
    _spec("schedules.py", "short tiles follow each other at once",
          "max(self._spec.beats(k), self._spec.rows)", "self._spec.beats(k)",
          "test_spec_arrays.py"),
    _spec("arrays.py", "the last column is forgotten in the latency",
          "self.mac.latency + down + self.cols - 1",
          "self.mac.latency + down + self.cols - 2", "test_spec_arrays.py"),
    _spec("schedules.py", "a sum passes a row in a cycle whatever its adder",
          "return 1 + self._spec.mac.adder_stages", "return 1", "test_spec_arrays_ws.py"),
    _spec("schedules.py", "weights of short passes load in no time",
          "max(min(m, self.height), self.down)", "min(m, self.height)",
          "test_spec_arrays_ws.py"),
    _spec("schedules.py", "the last tile is as long as the others", "self.interval(last + 1, k)",
          "self.interval(self.height, k)", "test_spec_arrays_ws.py"),
    _spec("macs.py", "infinities of b need no flags", "if self.a.has_inf or self.b.has_inf:",
          "if self.a.has_inf:", "test_spec_macs.py"),
)

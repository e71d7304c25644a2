# SPDX-License-Identifier: Apache-2.0
"""Faults in the generated Verilog: what a generator or a tool could break behind the RTL's back."""

from tests.mutation.fault import Fault, array_test, mac_test

__all__ = ["VERILOG"]


def _verilog(unit: str, name: str, old: str, new: str) -> Fault:
    """A fault in the Verilog of ``unit``, which its own bench must catch."""
    tests = array_test(unit) if ":" in unit else mac_test(unit)
    return Fault(name=name, room="Verilog", file=unit, old=old, new=new, tests=tests)


MAC, ARRAY = "e4m3,pipeline=1", "3x5:e2m1"

VERILOG = (
    _verilog(MAC, "a pair that ends a sum opens one too", "first_q1 <= i_first;",
             "first_q1 <= i_first | i_last;"),
    _verilog(MAC, "the last bit of the sum is never written", "sum_0_s, sum_0 } : o_data;",
             "sum_0_s, o_data[0] } : o_data;"),
    _verilog(MAC, "the sign is a cycle early", "lane0_sign_q1 <= lane0_sign;",
             "lane0_sign_q1 <= i_a[7];"),
    _verilog(ARRAY, "a column of B is skewed by its neighbour", "delay_3 <= delay_2[11:4];",
             "delay_3 <= delay_2[7:0];"),
    _verilog(ARRAY, "the frame of a row moves while the array stops",
             "else if (en) frame_2 <= frame;", "else frame_2 <= frame;"),
    _verilog(ARRAY, "two rows get the same codes of A", "{frame_1, skewed_a[3:0]}",
             "{frame_1, skewed_a[7:4]}"),
    _verilog(ARRAY, "a result is padded with zeros",
             "{ offered[20], offered[20], offered[20], offered }", "{ 3'h0, offered }"),
)

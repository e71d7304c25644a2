# SPDX-License-Identifier: Apache-2.0
"""Proofs that generated Verilog meets an independent specification.

The Verilog of a unit is read through Yosys into gates. Its pipeline is unrolled, so that one step
is a function of the pair, of the old sum and of all other registers. A
proof about the step then holds in any stream. The claim is split into cases that cover all pairs
and all sums; each is settled by the solver z3 or, where a sum of many bits wraps around, by
algebra.
"""

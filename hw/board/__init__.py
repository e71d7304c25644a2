# SPDX-License-Identifier: Apache-2.0
"""FPGA boards: what is on them, and the way from Verilog to a bitstream on one.

What goes onto one is `hw.board.top.BoardTop`. All but that and its parts does without Amaranth.
"""

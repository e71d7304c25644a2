# SPDX-License-Identifier: Apache-2.0
"""FPGA boards: what is on them, and the way from Verilog to a bitstream on one."""

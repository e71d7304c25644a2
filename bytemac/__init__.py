# SPDX-License-Identifier: Apache-2.0
"""Multiply-accumulate units and systolic arrays in FP8 and INT8: Verilog, model, cost."""

from hw.version import VERSION

__version__ = VERSION

# SPDX-License-Identifier: Apache-2.0
"""Faults that are planted one by one, to see that the tests catch each of them."""

from tests.mutation.faults_gemm import GEMM
from tests.mutation.faults_hw import HARDWARE
from tests.mutation.faults_sim import MODEL
from tests.mutation.faults_units import UNITS_RTL
from tests.mutation.faults_verilog import VERILOG

__all__ = ["FAULTS"]

FAULTS = (*HARDWARE, *GEMM, *UNITS_RTL, *VERILOG, *MODEL)

# SPDX-License-Identifier: Apache-2.0
"""Mutation testing: each mutant changes one thing, and a test must fail for it."""

from tests.mutation.mutants_datapath import DATAPATH, VERILOG
from tests.mutation.mutants_model import MODEL
from tests.mutation.mutants_streams import STREAMS

__all__ = ["MUTANTS"]

MUTANTS = (*DATAPATH, *STREAMS, *VERILOG, *MODEL)

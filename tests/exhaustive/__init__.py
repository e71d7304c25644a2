# SPDX-License-Identifier: Apache-2.0
"""Everything that can be tried is tried: ``python -m tests.exhaustive``.

Every operand pair of every pair of 8-bit formats goes through compiled RTL, every state of
accumulators of 16 bits too, both also through mapped netlists; the vectorised model is held to the
plain one, and model and RTL to what a GPU computed. The records are read by reports/verification.
"""

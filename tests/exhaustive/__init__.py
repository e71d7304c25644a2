# SPDX-License-Identifier: Apache-2.0
"""Exhaustive checks: ``python -m tests.exhaustive``.

Every operand pair of every pair of 8-bit formats goes through compiled RTL, every state of
accumulators of 16 bits too, both also through mapped netlists. The vectorised model is compared to
the plain one, and model and RTL to results of a GPU. The study ``verification`` shows the records.
"""

# SPDX-License-Identifier: Apache-2.0
"""Operands of a weight-stationary array: rows of A and weights are read each at its own pace."""

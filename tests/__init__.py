# SPDX-License-Identifier: Apache-2.0
"""Tests: where specification, model and RTL meet."""

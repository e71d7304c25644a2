# SPDX-License-Identifier: Apache-2.0
"""Run one matrix product on an array with any backend."""

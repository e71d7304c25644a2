# SPDX-License-Identifier: Apache-2.0
"""Error of FP8 dot products by accumulator and number of products."""

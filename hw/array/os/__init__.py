# SPDX-License-Identifier: Apache-2.0
"""Output-stationary arrays: sums stay in the elements."""

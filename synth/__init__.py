# SPDX-License-Identifier: Apache-2.0
"""Measure cost: run tools on generated hardware and write records."""

from hw.spec import startup as startup  # The first import: it guards those that follow.

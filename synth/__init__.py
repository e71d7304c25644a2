# SPDX-License-Identifier: Apache-2.0
"""What it costs: runs tools on generated hardware and writes records."""

from hw.spec import startup as startup  # The first import: it guards those that follow.

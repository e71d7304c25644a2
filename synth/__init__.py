# SPDX-License-Identifier: Apache-2.0
"""What it costs: runs tools on generated hardware and writes records."""

from hw.spec.startup import guard

guard()

# SPDX-License-Identifier: Apache-2.0
"""How gates do it: RTL, what describes it, and boards to run it on."""

from hw.spec.startup import guard

guard()

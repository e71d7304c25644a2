# SPDX-License-Identifier: Apache-2.0
"""The clock-by-clock model of arrays beside their compiled RTL: equal in every cycle, and fast."""

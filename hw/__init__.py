# SPDX-License-Identifier: Apache-2.0
"""Hardware: RTL generators, the files that describe a unit, and FPGA boards."""

from hw import manners as manners  # The first import: it guards those that follow.
from hw.spec import startup as startup

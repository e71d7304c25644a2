# SPDX-License-Identifier: Apache-2.0
"""Hardware: RTL generators, the files that describe a unit, and FPGA boards."""

from hw import manners as manners  # Imported first: it handles signals during later imports.
from hw.spec import startup as startup

# SPDX-License-Identifier: Apache-2.0
"""How gates do it: RTL, what describes it, and boards to run it on."""

from hw import manners as manners  # The first import: it guards those that follow.
from hw.spec import startup as startup

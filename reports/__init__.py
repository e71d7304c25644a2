# SPDX-License-Identifier: Apache-2.0
"""Pages and figures, rendered from records."""

from hw.spec import startup as startup  # The first import: it guards those that follow.

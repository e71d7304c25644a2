# SPDX-License-Identifier: Apache-2.0
"""What people read: records in, pages out."""

from hw.spec import startup as startup  # The first import: it guards those that follow.

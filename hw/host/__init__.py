# SPDX-License-Identifier: Apache-2.0
"""Host side of a board. It needs only Python and a serial port."""

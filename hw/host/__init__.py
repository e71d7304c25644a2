# SPDX-License-Identifier: Apache-2.0
"""Host's side of a board. Plain Python: runs on a machine with nothing but a serial port."""

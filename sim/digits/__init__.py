# SPDX-License-Identifier: Apache-2.0
"""Handwritten digits through a small network whose matrix products are done on codes."""

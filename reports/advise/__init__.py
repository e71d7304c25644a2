# SPDX-License-Identifier: Apache-2.0
"""Runs a network of one's own in every format and says what it costs."""

# SPDX-License-Identifier: Apache-2.0
"""Basic data-path blocks (decode, multiply, shift, add) as functions that add logic to a module."""

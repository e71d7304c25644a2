# SPDX-License-Identifier: Apache-2.0
"""Leaf data path: decode, multiply, shift, add. Functions that add logic to a module."""

# SPDX-License-Identifier: Apache-2.0
"""Simulators of the same array beside each other, in one run."""

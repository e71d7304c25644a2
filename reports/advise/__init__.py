# SPDX-License-Identifier: Apache-2.0
"""Runs a network in every format and reports its accuracy and cost."""

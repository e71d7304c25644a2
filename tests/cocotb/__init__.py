# SPDX-License-Identifier: Apache-2.0
"""Benches that run inside a simulator, and the function that starts one."""

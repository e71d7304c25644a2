# SPDX-License-Identifier: Apache-2.0
"""Two tiles flowing through a small array, recorded from its RTL clock cycle by clock cycle."""

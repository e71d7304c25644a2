# SPDX-License-Identifier: Apache-2.0
"""Real networks and their data, all from installed packages, and what formats do to them."""

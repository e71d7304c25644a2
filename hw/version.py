# SPDX-License-Identifier: Apache-2.0
"""Version of the project: of the package, and in the FuseSoC cores of what it generates."""

VERSION = "0.1.0"

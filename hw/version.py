# SPDX-License-Identifier: Apache-2.0
"""Version of the project, used for the package and in generated FuseSoC cores."""

VERSION = "0.1.0"

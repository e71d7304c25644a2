# SPDX-License-Identifier: Apache-2.0
"""One question a folder: what measures, what renders."""

# SPDX-License-Identifier: Apache-2.0
"""Every metric of a design, as a record."""

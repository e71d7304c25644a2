# SPDX-License-Identifier: Apache-2.0
"""What one can look at: waves and pages of an array at work."""

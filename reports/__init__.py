# SPDX-License-Identifier: Apache-2.0
"""What people read: records in, pages out."""

from hw.spec.startup import guard

guard()

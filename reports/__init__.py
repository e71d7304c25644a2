# SPDX-License-Identifier: Apache-2.0
"""What people read: records in, pages out."""

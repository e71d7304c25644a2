# SPDX-License-Identifier: Apache-2.0
"""One product on an array, by any backend."""

# SPDX-License-Identifier: Apache-2.0
"""Weight-stationary array: B stays in the elements, A goes east, the sums go south."""

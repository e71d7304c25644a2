# SPDX-License-Identifier: Apache-2.0
"""Training with rounded operands, and what is left when another format takes over."""

# SPDX-License-Identifier: Apache-2.0
"""Record an array in operation, as waveforms and as an animated page."""

# SPDX-License-Identifier: Apache-2.0
"""Output stages: they convert an accumulator's sum to a code of any format, rounding once."""

from hw.output.unit import Output, descriptions

__all__ = ["Output", "descriptions"]

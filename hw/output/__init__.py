# SPDX-License-Identifier: Apache-2.0
"""Output stages: from an accumulator's sum to a code of any format, one rounding."""

from hw.output.unit import Output, descriptions

__all__ = ["Output", "descriptions"]

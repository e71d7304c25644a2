# SPDX-License-Identifier: Apache-2.0
"""Selects the cases that run in every `make test`; the rest run in `make test-full`."""

from collections.abc import Collection, Iterable

import pytest


def tiers(cases: Iterable, often: Collection) -> list:
    """Cases for `parametrize`, in their order; those that are not among ``often`` are slow.

    A case is one argument, or a tuple of several. ``often`` holds one case of each kind at least.
    """
    cases = list(cases)
    for case in often:
        if case not in cases:
            raise ValueError(f"Case that runs often must be one of the cases, not {case!r}")
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)),
            marks=() if case in often else pytest.mark.slow,
        )
        for case in cases
    ]

# SPDX-License-Identifier: Apache-2.0
"""The split of cases into those of every run and those of the full run only."""

import pytest

from tests.support.tiers import tiers


def test_cases_that_do_not_run_often_are_slow():
    found = tiers(["e4m3", ("int8", 2), "e5m2"], [("int8", 2)])
    assert [(param.values, [mark.name for mark in param.marks]) for param in found] == [
        (("e4m3",), ["slow"]),
        (("int8", 2), []),
        (("e5m2",), ["slow"]),
    ]


def test_case_that_does_not_exist_is_reported():
    with pytest.raises(
        ValueError,
        match=r"^Case that runs often must be one of the cases, "
        r"not 'e4m4'$",
    ):
        tiers(["e4m3"], ["e4m4"])

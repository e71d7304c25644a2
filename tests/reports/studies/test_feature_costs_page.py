# SPDX-License-Identifier: Apache-2.0
"""The table of features: a line each, a column a unit, figures as recorded."""

from reports.studies.features.page import answer, costs


def record(subject, without, gates, saved):
    return {"subject": subject, "conditions": {"without": without},
            "metrics": {"two_input_gates_keep": {"value": gates}, "saved_keep": {"value": saved}}}


RECORDS = [
    record("mac_a", "nothing", 1200, 0),
    record("mac_a_daz", "subnormals", 1170, 30),
    record("mac_a_ftz", "flushing", 1217, -17),
    record("mac_a_daz_ftz", "all of these", 900, 300),
    record("mac_b", "nothing", 800, 0),
    record("mac_b_ftz", "flushing", 791, 9),
    record("mac_b_daz_ftz", "all of these", 760, 40),
]


def test_costs_are_those_of_the_records():
    table = costs(RECORDS)
    assert table.headings == ["gates that a unit saves without", "mac_a", "mac_b"]
    assert table.rows == [["the whole unit [gates]", "1,200", "800"], ["subnormals", "30", "-"],
                          ["flushing", "-17", "9"], ["all of these", "300", "40"]]


def test_answer_tells_what_all_features_cost():
    assert "saves 25% of mac_a, 5% of mac_b." in answer(RECORDS)
    assert "mac_b" not in answer(RECORDS[:5])

# SPDX-License-Identifier: Apache-2.0
"""The page of bits of accuracy: figures as recorded, differences from the paper explained."""

from reports.studies.theory.page import (
    COLUMNS,
    NAMES,
    accuracy,
    answer,
    outliers,
    plots,
    theory_page,
)


def record(subject, numbers, **metrics):
    return {"subject": subject, "conditions": {"numbers": numbers, "outlier spread": 50.0},
            "metrics": {name: {"value": value} for name, value in metrics.items()}}


RECORDS = [record(fmt, name, bits=5 + place + (0.25 if (fmt, name) == ("e3m4", "normal") else 0),
                  span=9.0 + (fmt == "binary8p5"), **({"paper": 5.0 + place} if not own else {}))
           for name in NAMES for place, group in enumerate(COLUMNS.values())
           for own, fmt in enumerate(dict.fromkeys(group))]
RECORDS += [record(fmt, "normal with outliers", sqnr_at_4=low, sqnr_at_20=40.0)
            for fmt, low in (("int8", 12.5), ("e4m3", 31.0))]
RECORDS[-1]["metrics"]["sqnr_at_20"]["value"] = 35.0


def test_accuracy_has_the_papers_values_above_those_of_both_kinds_of_formats():
    table = accuracy(RECORDS)
    assert table.headings == ["numbers", "bits of accuracy", *COLUMNS]
    assert [row[1] for row in table.rows[3:6]] == [
        "the paper's figure 5", "the paper's formats", "this project's formats"]
    assert table.rows[3][2:] == ["5.00", "6.00", "7.00", "8.00", "9.00"]
    assert table.rows[5][2:] == ["5.00", "6.00", "7.25", "8.00", "9.00"]


def test_answer_counts_what_is_near():
    assert answer(RECORDS).startswith("15 of 15 values are within 0.1 bit of arXiv 2303.17951")
    assert "E5M2 on normal numbers" in answer(RECORDS)
    far = [record("int8", "normal", bits=5.11, paper=5.0, span=7)]
    assert "14 of 15" in answer([each for each in RECORDS if each["subject"] != "int8" or
                                 each["conditions"]["numbers"] != "normal"] + far)


def test_differences_are_explained():
    (sentence,) = theory_page(RECORDS)["explained"]
    assert sentence == (
        "e3m4 on normal numbers differs by +0.25 bit: it spans 9.00 binades, the paper's binary8p5 "
        "10.00, as its special codes take a whole exponent.")


def test_outliers_tell_where_int8_is_no_longer_best():
    assert outliers(RECORDS).rows == [["1 in 1,048,576", "40.0", "35.0"],
                                      ["1 in 16", "12.5", "31.0"]]
    page = theory_page(RECORDS)
    assert page["spread"] == "50"
    assert page["crossing"] == (
        "From one outlier in 16 on, INT8 is not the best: e4m3 has 31.0 dB, int8 12.5 dB.")
    assert theory_page(RECORDS[:-1])["crossing"] == (
        "INT8 is the best with every share of outliers.")


def test_plots_show_every_format():
    drawn = {name: draw() for name, draw in plots(RECORDS).items()}
    assert all(name in drawn["theory_bits"] for name in COLUMNS)
    assert all(name in drawn["theory_outliers"] for name in ("int8", "e4m3"))

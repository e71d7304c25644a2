# SPDX-License-Identifier: Apache-2.0
"""Charts: every number is on them, and the same numbers give the same bytes."""

import xml.etree.ElementTree as ET

from reports.plots import Curve, bars, curves, dots, stacks

BARS = {
    "title": "Cost by accumulator",
    "unit": "gates",
    "groups": ["FX+12", "FP16"],
    "series": {"INT8": [415, None], "E4M3": [567.25, 1776]},
    "line": 400,
    "line_name": "bar",
}


def texts(svg: str) -> list[str]:
    """Every text of a picture."""
    root = ET.fromstring(svg)
    return ["".join(node.itertext()) for node in root.iter() if node.tag.endswith("}text")]


def drawn(**changes) -> str:
    chosen = BARS | changes
    return bars(chosen.pop("title"), **chosen)


def test_bars_show_every_value_and_name():
    shown = texts(drawn())
    for text in (
        "Cost by accumulator",
        "gates",
        "FX+12",
        "FP16",
        "INT8",
        "E4M3",
        "bar",
        "415",
        "567",
        "1,776",
    ):
        assert text in shown, text


def test_bars_are_as_high_as_their_values():
    low, high = (drawn(series={"INT8": [1, 2], "E4M3": [3, height]}) for height in (4, 5))
    assert low != high


def test_curves_show_names_marks_and_units():
    svg = curves(
        "Fronts",
        x="period [ns]",
        y="area [um2]",
        log_x=True,
        log_y=True,
        shown=[Curve("INT8", [(2, 4), (4, 2)], ["prefix", "ripple"]), Curve("E4M3", [(2, 8)])],
    )
    for text in ("Fronts", "period [ns]", "area [um2]", "INT8", "E4M3", "prefix", "ripple"):
        assert text in texts(svg), text


def test_small_numbers_are_powers_of_two():
    points = [(2.0**-power, power) for power in range(3, 25)]
    shown = texts(curves("Outliers", x="share", y="dB", log_x=True, shown=[Curve("INT8", points)]))
    assert "2\u207b\u00b2\u2074" in shown
    assert not any("e-" in text for text in shown)


def test_dots_show_names_and_powers_of_ten():
    given = BARS | {"series": {"INT8": [0.00012, None], "E4M3": [45_000, 1.5]}, "line": 1}
    title = given.pop("title")
    shown = texts(dots(title, **given))
    for text in (title, "gates", "FX+12", "FP16", "INT8", "E4M3", "bar", "10\u2074"):
        assert text in shown, text
    given["series"] = {"INT8": [0.00013, None], "E4M3": [45_000, 1.5]}
    assert dots(title, **given) != dots(title, **given | {"line": 2})


def test_stacks_show_parts_and_the_whole():
    shown = texts(
        stacks(
            "Split",
            unit="area",
            groups=["a", "b"],
            parts={"multiply": [100, 200], "add": [50, 1500]},
        )
    )
    for text in ("Split", "area", "a", "b", "multiply", "add", "150", "1,700"):
        assert text in shown, text


def test_same_numbers_give_the_same_bytes():
    assert drawn() == drawn()
    assert "Created with" not in drawn()
    assert drawn().startswith("<svg")

# SPDX-License-Identifier: Apache-2.0
"""The explanation: figures equal the records, factors without records are left out."""

import pytest

from reports.render import environment
from reports.studies.explanation import page as explanation
from reports.studies.explanation.page_factors import FACTORS
from reports.studies.explanation.page_units import FORMATS, Units
from reports.tables import more
from tests.support.pages import said, shown

ACCUMULATORS = {"fx27": 1.0, "fp16-sat": 2.0, "fp32-sat": 3.0}

ARRAY = {"flat": False, "energy": {"stream": "4 tiles of 64 beats"}}


def record(unit, *, library="osu018", conditions=None, **metrics):
    """Record such as synth.measure writes."""
    return {
        "subject": unit,
        "not_done": [],
        "conditions": {"unit": unit, "recipe": "keep"} | (conditions or {}),
        "provenance": {"library": {"name": library}},
        "metrics": {name: {"value": value, "unit": ""} for name, value in metrics.items()},
    }


def paper(fp8=1.5, fp8_float=0.9):
    """The 15 units: FP8 takes ``fp8`` times INT8's exact sum, ``fp8_float`` times its others."""
    records = []
    for pair in FORMATS.values():
        for acc, factor in ACCUMULATORS.items():
            share = 1 if pair == "int8" else fp8 if acc == "fx27" else fp8_float
            size = 400 * factor * share
            records.append(
                record(
                    f"{pair},acc={acc}",
                    two_input_gates_keep=size,
                    two_input_gates_default=size + 1,
                    paper_cost=size + 2,
                    area=10 * size,
                    hand_total=700,
                    figure_low=700 * factor,
                    figure_high=703 * factor,
                    gates_at_paper_ratio=500,
                    energy_gaussian=size,
                    energy_gaussian_internal=1,
                    energy_gaussian_glitches=size * factor,
                    area_multiply=7 * size,
                    area_align_add=3 * size,
                    netlist_mismatches=0,
                )
            )
    return records


def test_verdict_gives_the_ratios_of_the_records():
    text = said("explanation", {"paper": paper()})
    # The last is size and size times factor, over 400 and 400.
    for ratios in (
        "50 % more cell area, 50 % more gates and 50 % more energy",
        "80 % more cell area, 80 % more gates and 170 % more energy",
        "170 % more cell area, 170 % more gates and 440 % more energy",
    ):
        assert ratios in text
    assert "Energy includes glitches." in text
    assert (
        "with the same accumulator on both sides, E4M3 needs 50 % more gates with FX+12, 10 % fewer"
    ) in text
    assert "the cost of floating-point sums" in text


def test_verdict_agrees_with_the_records():
    text = said("explanation", {"paper": paper(fp8_float=1.2)})
    assert "the cost of" not in text
    assert "20 % more with FP16" in text
    assert said("explanation", {}) == ""


def test_table_has_the_fifteen_units_and_the_figure():
    table = explanation.extract({"paper": paper()})
    assert len(table.rows) == 15
    assert table.rows[0][:2] == ["INT8", "FX+12"]
    assert "700-703" in table.rows[0]


def test_page_names_units_that_miss_the_ratio():
    page = shown("explanation", {"paper": paper()})
    assert "\n- E4M3 to FX+12: 600 gates, 100 more than 500\n" in page
    assert "\n- INT8 to FX+12" not in page


def test_factors_without_records_are_left_out():
    factors = explanation.explanation_page({"paper": paper()})["factors"]
    ready = {factor.name for factor in FACTORS if factor.sources == ("paper",)}
    assert {factor["figure"] for factor in factors} == ready
    assert explanation.plots({}) == {}


def loop(pair, period, area):
    """Record of the loop of a carry-save unit."""
    return record(
        f"{pair},acc=fx79,adder=carry-save",
        min_period=period,
        area=area,
        conditions={"resolve": False, "always_valid": True, "clock_ns": 2.0},
    )


def swept():
    """Records of every sweep."""
    fixed = [
        record(f"{pair},acc=fx{width}", two_input_gates_keep=width * 10.0)
        for pair in ("int8", "binary8p4")
        for width in (20, 30)
    ]
    lanes = [
        record(f"{pair},acc={acc},lanes={lanes}", area=(100.0 + len(pair)) * lanes)
        for pair in ("int8", "binary8p4", "e4m3")
        for acc in ("fx27", "fp16-sat", "fp32-sat", "aligned:13")
        for lanes in (4, 16)
    ]
    fronts = [
        record(f"{pair},acc=fx27{adder}", min_period=period, area=1000 * len(pair) / period)
        for pair in ("int8", "binary8p4", "binary8p3")
        for adder, period in (("", 9.0), (",adder=prefix", 4.0), (",adder=carry-save", 2.0))
    ]
    fronts += [
        loop("int8", 3.0, 17000.0),
        loop("int8", 3.1, 16000.0),
        loop("int8", 3.2, 15000.0),
        loop("e5m2:none", 2.4, 40000.0),
        loop("e5m2:none", 2.6, 38000.0),
        loop("binary8p3", 2.6, 38000.0),
        loop("binary8p3", 2.75, 37000.0),
    ]
    arrays = [
        record(
            f"{pair},acc={acc},array=16x16,dataflow=os",
            area=256.0,
            conditions=ARRAY,
            energy_gaussian=100.0 * len(pair) + len(acc),
        )
        for pair in ("int8", "binary8p4")
        for acc in ("fx27", "fp16-sat", "fp32-sat")
    ]
    nodes = [
        record(
            f"{pair},acc={acc}",
            library=library,
            area=float(len(pair)),
            energy_gaussian=100.0 * factor,
            energy_gaussian_glitches=len(pair) * factor,
        )
        for library in ("osu018", "nangate")
        for pair in ("int8", "binary8p4", "binary8p3")
        for acc, factor in ACCUMULATORS.items()
    ]
    plain = record("int8_plain", two_input_gates=900)
    plain["conditions"] = {"recipe": "default"}
    return {
        "paper": paper(),
        "factors": fixed + lanes,
        "fronts": fronts,
        "arrays": arrays,
        "nodes": nodes,
        "gates": [plain],
    }


def sentence(name, records):
    """Sentence of a factor."""
    factor = next(factor for factor in FACTORS if factor.name == name)
    macros = environment().get_template("explanation/factors.md.j2").module
    units = {source: Units(records[source]) for source in records}
    return " ".join(getattr(macros, name)(factor.numbers(units)).split())


@pytest.mark.parametrize("factor", FACTORS, ids=lambda factor: factor.name)
def test_factor_is_drawn_and_described_from_its_records(factor):
    records = swept()
    text = sentence(factor.name, records)
    assert text.endswith(".")
    assert " - " not in text
    assert any(character.isdigit() for character in text)
    assert factor.plot({name: Units(records[name]) for name in records}).startswith("<svg")


def test_lanes_compare_area_a_lane():
    records = swept()
    assert "E4M3 to FP16, 5 % more with 4 and 5 % more with 16" in sentence("lanes", records)
    # The sweep of guard bits has exact sums of one lane and other widths.
    records["factors"] = [
        record("int8,acc=fx16", area=10.0),
        *records["factors"],
        record("int8,acc=fx27", area=100.0),
        record("binary8p4,acc=fx27", area=150.0),
    ]
    assert "E4M3 exact, 50 % more with 1 and 5 % more with 16" in sentence("lanes", records)


def test_arrays_are_the_largest_that_have_the_metric():
    records = swept()
    # 404 and 904 over 404, and by their lengths alone for the units by themselves.
    assert "in an array of 256 compared with INT8/27: E4M3 exact 124 % more" in sentence(
        "array_energy", records
    )
    for array in records["arrays"]:
        del array["metrics"]["energy_gaussian"]
    records["arrays"] += [
        record(
            f"{pair},acc=fx27,array=2x2,dataflow=os",
            energy_gaussian=energy,
            conditions=ARRAY | {"flat": flat},
        )
        for pair, energy in (("int8", 2.0), ("binary8p4", 3.0))
        for flat in (True, False)
    ]
    assert "in an array of 4 compared with INT8/27: E4M3 exact 50 % more" in sentence(
        "array_energy", records
    )


def test_processes_compare_energies_where_they_are_measured():
    records = swept()
    # 109 over 104 with the same accumulator.
    assert "relative to INT8/27 is 1.05 to 1.05 for E4M3 exact" in sentence("node_energy", records)
    for node in records["nodes"]:
        del node["metrics"]["energy_gaussian_glitches"]
    figures = {factor["figure"] for factor in explanation.explanation_page(records)["factors"]}
    assert "node" in figures
    assert "node_energy" not in figures


def test_equal_clock_takes_the_smallest_netlist_that_reaches_it():
    text = sentence("equal_clock", swept())
    # Whole units only, by adder 500, 250 and 111 a character of their names.
    assert "125 % more area at 3 ns, 125 % more at 4 ns" in text
    records = swept()
    slow = record("int8,acc=fx27,adder=prefix", min_period=4.5, area=900.0)
    records["fronts"].append(slow)
    assert "125 % more at 4 ns, 150 % more at 5 ns" in sentence("equal_clock", records)


def test_goals_show_what_reaches_them_and_what_is_missing():
    table = explanation.explanation_page(swept())["goals"]
    assert [row[:4] + row[6:] for row in table.rows] == [
        ["INT8/27", "17,600 at 3.1", "16,000", "3.100", "-1,600 um2", "2 of 3"],
        ["E5M2/79", "39,500 at 2.5", "40,000", "2.400", "+500 um2", "0 of 2"],
        [
            "E5M2/79, one NaN code",
            "39,500 at 2.5",
            "38,000",
            "2.600",
            "-1,500 um2; 0.100 ns too slow",
            "0 of 2",
        ],
    ]
    assert explanation.explanation_page({"paper": paper()})["goals"].rows == []


def test_every_factor_has_its_place():
    records = swept()
    factors = explanation.explanation_page(records)["factors"]
    assert [factor["figure"] for factor in factors] == [factor.name for factor in FACTORS]
    assert list(explanation.plots(records)) == [factor.name for factor in FACTORS]


def test_units_are_found_by_all_conditions():
    units = Units(
        [
            record("e4m3,acc=fp16", area=1),
            record("e4m3,acc=fp16,lanes=4", area=2),
            record("e4m3,acc=fp16,lanes=4", library="other", area=3),
        ]
    )
    assert units.of("area", "e4m3", "fp16") == 1
    assert units.value("area", unit="e4m3,acc=fp16,lanes=4") == 2
    assert units.value("area", library="other", unit="e4m3,acc=fp16,lanes=4") == 3
    assert units.of("area", "e4m3", "fp32") is None
    assert units.values("library") == ["osu018", "other"]


def test_ratios_are_more_less_or_as_much():
    assert [more(ratio) for ratio in (1.53, 0.88, 1, None)] == [
        "53 % more",
        "12 % less",
        "as much",
        "-",
    ]

# SPDX-License-Identifier: Apache-2.0
"""Cost of features: each variant lacks one of them, and its record names it."""

import re

import pytest

from hw.spec import Overflow, Rounding, parse_mac
from reports.studies.features import measure as features
from reports.studies.features.measure import FEATURES, measure, variants
from reports.studies.features.page import costs
from reports.study import main
from synth.flow.design import count_mac
from synth.record import read_records
from tests.support.pages import said


def test_each_variant_lacks_one_feature():
    spec = parse_mac("e4m3,acc=fp16")
    found = dict(variants(spec))
    assert [str(variant) for variant in found.values()] == [
        "e4m3,acc=fp16",
        "e4m3:fn-daz,acc=fp16",
        "e4m3:none,acc=fp16",
        "e4m3,acc=fp16-ftz",
        "e4m3,acc=fp16-sat",
        "e4m3,acc=fp16-rtz",
        "e4m3:none-daz,acc=fp16-rtz-sat-ftz",
    ]
    assert list(found) == ["nothing", *FEATURES, "all of these"]
    bare = found["all of these"]
    assert (bare.a.subnormals, bare.a.has_nan, bare.a.has_inf) == (False, False, False)
    assert (bare.acc.subnormals, bare.acc.overflow, bare.acc.rounding) == (
        False,
        Overflow.SATURATE,
        Rounding.RTZ,
    )


def test_variants_of_integers_keep_their_operands():
    assert {spec.a.name for _, spec in variants(parse_mac("int8,acc=fp32"))} == {"int8"}
    assert len(list(variants(parse_mac("int8xe5m2,acc=fp32")))) == 7


def test_features_writes_what_was_counted(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        features, "FEATURES", {name: FEATURES[name] for name in ("subnormals of the operands",)}
    )
    out = tmp_path / "features.json"
    assert main(["features", "e2m1,acc=e5m2", "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    whole, without, bare = read_records(out)
    assert (without.subject, bare.subject) == ("mac_e2m1_none_daz_e5m2",) * 2
    for recipe in ("default", "keep"):
        before, after = (
            record.metrics[f"two_input_gates_{recipe}"].value for record in (whole, without)
        )
        assert before == count_mac(parse_mac("e2m1,acc=e5m2"), recipe).two_input
        assert without.metrics[f"saved_{recipe}"].value == before - after > 0
        assert whole.metrics[f"saved_{recipe}"].value == 0


def test_subnormals_of_the_operands_cost_what_was_found_by_hand():
    # 38 to 40 gates with an FP16 accumulator, about 2 with FP32.
    for acc, low, high in (("fp16", 30, 50), ("fp32", -3, 8)):
        whole, without = (
            count_mac(parse_mac(pair, acc=acc), "keep").two_input
            for pair in ("e4m3", "e4m3:fn-daz")
        )
        assert low <= whole - without <= high, (acc, whole, without)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["e4m3"], "MAC acc must be floating point, not 'fx49m18'"),
        (["e4m3,acc=fp32", "e9m9"], "Format name must be one of "),
    ],
)
def test_features_wrong(tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["features", *arguments, "--out", str(tmp_path / "x.json")])
    out, error = capsys.readouterr()
    assert out == ""
    assert re.match(re.escape(f"python -m reports.study features: error: {message}"), error)
    assert not list(tmp_path.iterdir())


def test_measure_counts_every_variant_of_every_unit():
    records = measure(["int4,acc=e3m4"], "x")
    assert [record.conditions["without"] for record in records] == [
        label for label, _ in variants(parse_mac("int4,acc=e3m4"))
    ]


def record(subject, without, gates, saved):
    return {
        "subject": subject,
        "conditions": {"without": without},
        "metrics": {"two_input_gates_keep": {"value": gates}, "saved_keep": {"value": saved}},
    }


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
    assert table.headings == ["gates saved without", "a", "b"]
    assert table.rows == [
        ["whole unit", "1,200", "800"],
        ["subnormals", "30", "-"],
        ["flushing", "-17", "9"],
        ["all of these", "300", "40"],
    ]


def test_answer_shows_what_all_features_cost():
    assert "saves 25 % of the gates of a and 5 % of the gates of b" in said("features", RECORDS)
    assert "of b" not in said("features", RECORDS[:5])

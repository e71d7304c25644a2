# SPDX-License-Identifier: Apache-2.0
"""The cache of results: what changes a key, and that altered files are not used."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from hw.spec import parse_mac
from synth.flow import cache
from synth.flow.cache import Entry, Missing, cached, cached_step, plain
from synth.flow.cost import price
from synth.flow.gates import count
from synth.flow.liberty import read
from synth.flow.mapping import map_to_cells
from synth.power.energy import Energy, measure_energy

LIBRARY = Path(__file__).parents[1] / "data" / "small.lib"
CALLS: list[object] = []


@dataclass(frozen=True)
class Inner:
    """Part of a result."""

    number: float


@dataclass(frozen=True)
class Result:
    """What `compute` returns."""

    inner: Inner
    names: tuple[str, ...]
    counts: dict[str, int]


def compute(value: object, *, scale: float = 2.0) -> Result | None:
    """A step."""
    CALLS.append(value)
    return (
        None
        if value is None
        else Result(Inner(0.1 * scale), ("a", "b"), {"y": 1234567, "x": len(CALLS)})
    )


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """A cache of the test's own, and no calls yet; gives the folder."""
    monkeypatch.setattr(cache, "FOLDER", tmp_path / "cache")
    CALLS.clear()
    return tmp_path / "cache"


def test_step_is_computed_once_for_each_input(own_cache):
    step = cached_step(compute)
    first = step("text")
    assert first == Result(Inner(0.2), ("a", "b"), {"y": 1234567, "x": 1})
    assert step("text") == step("text", scale=2.0) == step(value="text") == first
    assert list(first.counts) == list(step("text").counts) == ["y", "x"]
    assert len(CALLS) == len(list(own_cache.iterdir())) == 1
    assert step("other").counts["x"] == 2
    assert step("text", scale=3.0).counts["x"] == 3
    assert step(None) is step(None) is None
    assert CALLS == ["text", "other", "text", None]


def test_tools_are_part_of_the_key():
    versions = iter("112")
    step = cached_step(compute, tools=lambda: next(versions))
    assert [step("text").counts["x"] for _ in range(3)] == [1, 1, 2]


def test_code_is_part_of_the_key(monkeypatch):
    step = cached_step(compute)
    assert [step("text").counts["x"] for _ in range(2)] == [1, 1]
    monkeypatch.setattr(cache, "code_digest", lambda *functions: "another")
    assert step("text").counts["x"] == 2


#: Alterations of the text of a file.
ALTERATIONS = {
    "cut": lambda text: text[:90],
    "emptied": lambda text: "",
    "no result": lambda text: "{}",
    "no result behind the checksum": lambda text: text[:65] + "{}",
    "a list": lambda text: text[:65] + "[]",
    "deep nesting": lambda text: text[:65] + "[" * 100_000 + "]" * 100_000,
    "nothing but nesting": lambda text: "[" * 100_000,
    "one digit": lambda text: text.replace("1234567", "1234568"),
    "one digit of the checksum": lambda text: chr(ord(text[0]) ^ 1) + text[1:],
    "a space more": lambda text: text + " ",
    "no text": lambda text: text.encode()[:70] + b"\xff\xfe",
}


@pytest.mark.parametrize("alter", ALTERATIONS.values(), ids=ALTERATIONS.keys())
def test_altered_results_are_computed_again(own_cache, alter):
    step = cached_step(compute)
    step("text")
    (file,) = own_cache.iterdir()
    altered = alter(file.read_text())
    assert altered != file.read_text()
    file.write_bytes(altered if isinstance(altered, bytes) else altered.encode())
    assert step("text").counts == {"y": 1234567, "x": 2}
    assert step("text").counts == {"y": 1234567, "x": 2}


@pytest.mark.parametrize("forged", ["{}", "[]", "3", '{"inner": 3}', "[" * 100_000 + "]" * 100_000])
def test_an_invalid_result_is_computed_again_despite_its_checksum(own_cache, forged):
    step = cached_step(compute)
    step("text")
    (file,) = own_cache.iterdir()
    file.write_text(f"{cache._checksum(file, forged)}\n{forged}")
    assert step("text").counts == {"y": 1234567, "x": 2}


def test_result_under_another_name_is_computed_again(own_cache):
    step = cached_step(compute)
    step("text")
    (first,) = own_cache.iterdir()
    step("other")
    (second,) = set(own_cache.iterdir()) - {first}
    first.replace(second)
    assert step("other").counts["x"] == 3


def test_folder_in_place_of_a_file_is_missing():
    entry = Entry("step", {"x": 1}, (compute,))
    entry.file.mkdir(parents=True)
    with pytest.raises(Missing):
        entry.load()


def test_plain_data_is_kept_by_name_inputs_and_code():
    def number():
        CALLS.append(1)
        return {"value": [len(CALLS), "text"]}

    steps = [("step", {"x": 1}), ("step", {"x": 1}), ("step", {"x": 2}), ("other", {"x": 1})]
    found = [cached(step, inputs, number, code=(compute,))["value"][0] for step, inputs in steps]
    assert found == [1, 1, 2, 3]


def test_inputs_count_by_what_is_in_them(tmp_path):
    import numpy as np

    file = tmp_path / "x"
    file.write_text("1")
    first = plain(file)
    file.write_text("2")
    assert plain(file) != first
    assert plain({"a": 1, "b": 2}) != plain({"b": 2, "a": 1})
    assert plain(parse_mac("int8")) != plain(parse_mac("int8,acc=int30"))
    assert plain(parse_mac("e4m3")) == plain(parse_mac("e4m3"))
    assert plain(np.arange(3)) != plain(np.arange(3, dtype=np.int32))
    assert plain(np.arange(3)) != plain(np.arange(3)[::-1])
    assert json.dumps(plain([(1, None), 2.5, True, np.arange(3)]))
    library = read([LIBRARY])
    assert plain(library) == ["Library", [["small.lib", library.sha256["small.lib"]]]]
    with pytest.raises(TypeError, match=r"^Input of a cached step must be plain data, not object$"):
        plain(object())


@pytest.mark.synth
def test_results_of_the_flow_are_the_same_from_the_cache(own_cache):
    verilog = {
        "m.v": "module m(input clk, input a, input b, output reg y);\n"
        "  always @(posedge clk) y <= ~(a & b);\nendmodule\n"
    }
    for compute, arguments in (
        (count, ("keep",)),
        (price, ("keep",)),
        (map_to_cells, (read([LIBRARY]), "keep")),
    ):
        step = cached_step(compute)
        first = step(verilog, "m", *arguments)
        before = len(list(own_cache.iterdir()))
        assert step(verilog, "m", *arguments) == first == compute(verilog, "m", *arguments)
        assert len(list(own_cache.iterdir())) == before


def test_result_of_energy_is_read_back(own_cache):
    energy = Energy(
        unit="u",
        stream="s",
        macs=1,
        sums=2,
        toggles=0.1,
        per_mac=0.3,
        internal=1e-15,
        switching=0.0,
        inputs=0.0,
        clock=0.0,
        registers=0.0,
        glitches=None,
        leakage=1.0,
        by_instance={"b": 1.0, "a": 2.0},
    )
    hint = measure_energy.__annotations__["return"]
    data = json.loads(json.dumps(cache.asdict(energy)))
    assert cache._typed(hint, data) == energy

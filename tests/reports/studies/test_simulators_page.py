# SPDX-License-Identifier: Apache-2.0
"""The page of simulators shows ratios of what was recorded, and no time."""

from reports.studies.bench.page import answer, ratios, simulators_page


def record(unit, simulator, speed, *, compiled=0.0, array="16x16"):
    return {"subject": f"array_{unit}",
            "conditions": {"simulator": simulator, "unit": unit, "array": array, "time": "wall",
                           "gemm": "64x64x64", "part": "64x64x64"},
            "metrics": {"mac_per_second": {"value": speed}, "cycles": {"value": 1071},
                        "time_to_compile": {"value": compiled}, "sums_compared": {"value": 4096},
                        "checksum": {"value": "ab12"}}}


PEAK = {"subject": "machine", "metrics": {"mac_per_second": {"value": 2e11}},
        "conditions": {"simulator": "peak of binary32 multiply-adds"}}
RECORDS = {"simulator": [
    PEAK, record("e4m3 fp32", "sim.fast", 1.5e11, compiled=2.0),
    record("e4m3 fp32", "sim.fast, numpy", 3e9), record("e4m3 fp32", "Verilator", 1e7, compiled=90),
    record("e4m3 fp32", "Verilator, small array", 2e7, compiled=9, array="4x4"),
    record("int8 int32", "sim.fast", 1e11, compiled=2.0),
    record("int8 int32", "Verilator, small array", 5e7, compiled=3, array="4x4"),
    record("int8 int32", "Amaranth", 100.0),
]}


def test_ratios_are_over_verilator_on_the_whole_array_if_it_was_compiled():
    table = ratios(RECORDS)
    assert table.headings[1:] == ["e4m3 fp32", "int8 int32"]
    assert table.rows == [
        ["sim.fast (numba)", "15,000", "2,000"], ["sim.fast, numpy", "300", "-"],
        ["Verilator", "1", "-"], ["Verilator, small array", "2", "1"], ["Amaranth", "-", "2e-06"],
        ["compared with an array of", "16x16", "4x4"]]


def test_answer_has_share_of_the_peak_and_sums():
    told = answer(RECORDS)
    assert "15,000 for e4m3 fp32, 2,000 for int8 int32." in told
    assert "75% of the machine's multiply-adds" in told
    assert f"All {7 * 4096:,} sums" in told


def test_compiling_is_told_as_a_ratio():
    rows = simulators_page(RECORDS)["compiling"].rows
    assert rows[2:5] == [["Verilator", "45", "-"], ["Verilator, small array", "4.5", "1.5"],
                         ["Amaranth", "-", "-"]]

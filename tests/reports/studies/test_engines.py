# SPDX-License-Identifier: Apache-2.0
"""The tables of engines: figures as recorded, shares of arrays where these were measured."""

from reports.studies.engines.page import engines, parts
from tests.support.pages import said

ARRAY = "int8,acc=fx28,array=4x4,dataflow"


def record(unit, area, **more):
    where = {"unit": unit} | {name: value for name, value in more.items() if isinstance(value, str)}
    numbers = {"area": area} | {
        name: value for name, value in more.items() if not isinstance(value, str)
    }
    return {
        "subject": unit,
        "conditions": where,
        "metrics": {name: {"value": value} for name, value in numbers.items()},
    }


def engine(flow, bus, area, **more):
    return record(
        f"{ARRAY}={flow},depths=8x8x8,bus={bus}",
        area,
        bus=bus,
        dataflow=flow,
        array="4x4",
        cells=30,
        flip_flops=4,
        memory_bits=1024,
        **more,
    )


RECORDS = [
    engine("os", "axi4lite", 500.0, area_bus=200.0, area_feeder=300.0),
    engine("os", "wishbone", 490.0, area_bus=190.0, area_feeder=300.0),
    engine("ws", "axi4lite", 750.0, area_bus=200.0, area_row_feeder=550.0),
    record(f"{ARRAY}=os", 2000.0),
]


def test_a_line_for_each_engine():
    assert engines(RECORDS).rows == [
        ["int8,acc=fx28, 4x4 os", "axi4lite", "500", "30", "4", "25.0", "1,024"],
        ["int8,acc=fx28, 4x4 os", "wishbone", "490", "30", "4", "24.5", "1,024"],
        ["int8,acc=fx28, 4x4 ws", "axi4lite", "750", "30", "4", "-", "1,024"],
    ]


def test_a_line_for_each_part():
    table = parts(RECORDS)
    assert table.headings == ["area [um2] with int8,acc=fx28 and axi4lite", "4x4 os", "4x4 ws"]
    assert table.rows == [["bus", "200", "200"], ["feeder", "300", "-"], ["row feeder", "-", "550"]]


def test_answer_shows_range_and_share():
    assert said("engines", RECORDS) == (
        "The bus, registers, feeders and control of a GEMM engine take 490 to 500 um2 around "
        "output-stationary arrays and 750 to 750 um2 around weight-stationary arrays, without the "
        "memories. This is between 24.5 % (4x4 int8,acc=fx28) and 25.0 % (4x4 int8,acc=fx28) of "
        "the area of the array."
    )

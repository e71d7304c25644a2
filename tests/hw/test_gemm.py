# SPDX-License-Identifier: Apache-2.0
"""GEMM engines: what is generated of them, and their register map."""

import json
import re
import subprocess
from itertools import pairwise

import numpy as np
import pytest

import sim
from hw.emit.register_map import map_texts
from hw.emit.verilog import to_verilog
from hw.emit.yosys import run_yosys
from hw.gemm import engine
from hw.gemm.memories import operand_memory, result_memory
from hw.spec import SpecError, parse_array, parse_gemm
from hw.spec.registers import gemm_map
from sim.rtl import RtlError
from sim.rtl.build import compiler
from sim.rtl.engine import BUSES, EngineDriver, bus_words, operand_words
from tests.support.compiled import compile_module, unchanged
from tests.support.engine_checks import check_engine
from tests.support.specs import GEMMS, WEIGHT_GEMMS
from tests.support.tiers import tiers

ENGINES = GEMMS | WEIGHT_GEMMS
#: One of each bus and dataflow.
FAST = (
    "int4,acc=int12,lanes=3,array=2x3,depths=24x40x24,bus=wishbone",
    "e4m3,acc=fp16,array=3x2,dataflow=ws,depth=4,depths=50x33x70,bus=axi4lite",
)

TOO_LARGE = "GEMM size must be small enough for memories of 50x70x33 words"
#: By module: what is replaced, and the fault that takes its place.
FAULTS = {
    "a row of A's tiles is not read again": ("feeder", "? row :", "? 4'h0 :"),
    "a column beyond N counts": ("operands", "slots[1] & lanes[0]", "lanes[0]"),
    "a lane beyond K counts": ("operands", "slots[0] & lanes[1]", "slots[0]"),
    "rows beyond M are written": ("writer", "assign w_en = valid &", "assign w_en = valid |"),
    "rows of C lie side by side": ("writer", "w_addr + across", "w_addr + 1'h1"),
    "a cycle is not counted": ("gemm_control", "32'd1", "32'd0"),
    "the interrupt forgets errors": ("gemm_control", "& error_enable", "& 1'h0"),
    "quotients are rounded down": ("limits", "m[5:0] + 1'h1", "m[5:0] + 1'h0"),
    "settings change under way": ("registers", "= ~ lock", "= 1'h1"),
    "the answer to a write is always good": ("axi4lite", "w_error ? 2'h2", "w_error ? 2'h0"),
    "sums that are to stay leave": ("feeder", "= ~ hold;", "= 1'h1;"),
    "sums that stay are not told": ("gemm_control", "ended ? holds", "ended ? 1'h0"),
    "sums of several tiles are to stay": ("limits", "= done & holds", "= done & 1'h0"),
    "bytes are not told apart": ("operands", "if (bytes[1])", "if (bytes[0])"),
}


def compiled_engine(spec, folder, change=unchanged):
    return compile_module(engine(spec), folder, change=change)


@pytest.mark.parametrize("spelling", tiers(ENGINES, FAST))
def test_engine_multiplies_matrices_of_any_size(spelling, tmp_path):
    spec = ENGINES[spelling]
    assert check_engine(spec, compiled_engine(spec, tmp_path), seed=1) > 100


@pytest.mark.parametrize("spelling", FAST)
def test_driver_loads_starts_polls_and_reads(spelling, tmp_path):
    spec = ENGINES[spelling]
    driver = EngineDriver(BUSES[spec.bus](compiled_engine(spec, tmp_path)), spec)
    rng, mac = np.random.default_rng(2), spec.array.mac
    for m, k, n in ((1, 1, 1), (5, 4, 3), (2, 8, 7)):
        a = rng.integers(0, 1 << mac.a.width, (m, k), dtype=np.uint64)
        b = rng.integers(0, 1 << mac.b.width, (k, n), dtype=np.uint64)
        result = driver.matmul(a, b)
        wanted = sim.matmul(a, b, mac).astype(object) % (1 << mac.acc.width)
        assert result.codes.tolist() == wanted.tolist()
        assert result.cycles == spec.cycles(m, k, n)
        assert not result.flags.any()


@pytest.mark.parametrize(
    ("shapes", "code", "message"),
    [
        (((4, 3), (2, 5)), 1, "Operand shapes must be (M, K) and (K, N), not ((4, 3), (2, 5))"),
        (((4, 0), (0, 5)), 1, f"{TOO_LARGE}, not '4x0x5'"),
        (((3, 51), (51, 2)), 1, f"{TOO_LARGE}, not '3x51x2'"),
        (((2, 2), (2, 2)), 256, "Operand a must be codes of e4m3 from 0 to 255, not 256"),
    ],
)
def test_driver_refuses_before_it_writes(shapes, code, message):
    spec = GEMMS["e4m3,acc=fp16,array=3x2,depths=50x70x33,bus=axi4lite"]
    a, b = (np.full(shape, code) for shape in shapes)
    # No bus: an access to it would be another error.
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        EngineDriver(None, spec).matmul(a, b)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_checks_see_what_is_wrong(fault, tmp_path):
    module, old, new = FAULTS[fault]

    def change(verilog, top):
        before, body, after = re.split(
            rf"(^module {module}\w*\(.*?^endmodule)", verilog, flags=re.MULTILINE | re.DOTALL
        )
        assert old in body
        return before + body.replace(old, new) + after

    spec = parse_gemm(parse_array("2x2", "e2m1,lanes=2"), depths="16x16x16")
    with pytest.raises((AssertionError, RtlError)):
        check_engine(spec, compiled_engine(spec, tmp_path, change), seed=1)


def test_axi4lite_reads_and_writes_at_once(tmp_path):
    """Both channels busy without a pause: a write each cycle, reads as soon as these leave room."""
    spec = GEMMS["e4m3,acc=fp16,array=3x2,depths=50x70x33,bus=axi4lite"]
    model, table = compiled_engine(spec, tmp_path), gemm_map(spec)
    writes = (np.arange(40) < 20).astype(np.uint64)
    rows = {
        "s_axil_awvalid": writes,
        "s_axil_wvalid": writes,
        "s_axil_awaddr": np.full(40, table.offset("K")),
        "s_axil_wstrb": np.full(40, 15),
        "s_axil_wdata": np.arange(40),
        "s_axil_bready": np.ones(40, np.uint64),
        "s_axil_arvalid": np.ones(40, np.uint64),
        "s_axil_rready": np.ones(40, np.uint64),
        "s_axil_araddr": np.full(40, table.offset("K")),
    }
    found = model.run(rows)
    assert found["s_axil_awready"].tolist() == writes.tolist()
    assert found["s_axil_bvalid"].tolist() == [0, *writes[:-1].tolist()]
    assert not (found["s_axil_bvalid"] * found["s_axil_bresp"]).any()
    taken = np.flatnonzero(found["s_axil_arready"])
    assert taken.min() == 20
    answers = found["s_axil_rdata"][found["s_axil_rvalid"] == 1]
    assert len(answers) >= 6
    assert set(answers.tolist()) == {19}


@pytest.mark.parametrize("name", ["A", "B", "C"])
def test_memories_become_block_ram(name, tmp_path):
    """On an ECP5 each memory becomes block RAM, without extra logic of its size."""
    array = parse_array("4x4", "e4m3")
    window = gemm_map(parse_gemm(array)).window(name)
    memory = (
        operand_memory(window, slots=4, lanes=1, width=8)
        if window.writable
        else result_memory(window)
    )
    (tmp_path / "memory.v").write_text(to_verilog(memory))
    log = run_yosys(
        f"read_verilog memory.v\nsynth_ecp5 -top {memory.module_name}\nstat", cwd=tmp_path
    )
    found = re.findall(r"^ +(\d+) +(\w+)$", log.rpartition("Printing statistics")[2], re.MULTILINE)
    cells = {cell: int(count) for count, cell in found}
    assert 0 <= cells["DP16KD"] * 18 * 1024 - window.depth * window.width < 8 * 18 * 1024
    assert not any(cell.startswith("TRELLIS_DPR") for cell in cells)
    # A write is held for a cycle: address, data, bytes.
    held = (window.depth - 1).bit_length() + 32 + 4 if window.writable else window.lane_bits + 1
    assert cells["TRELLIS_FF"] <= held


MAPPED = GEMMS | WEIGHT_GEMMS
SPECS = pytest.mark.parametrize("spec", MAPPED.values(), ids=list(MAPPED))


def python_of(spec):
    """Names of the generated Python file."""
    names = {}
    exec(map_texts(spec)[f"{spec.name}.py"], names)
    return names


def header_of(spec):
    """Numbers of the generated C header."""
    text = map_texts(spec)[f"{spec.name}.h"]
    return {
        name: int(value, 16)
        for name, value in re.findall(r"#define GEMM_(\w+) (0x[0-9a-f]+)u", text)
    }


@SPECS
def test_map_is_the_same_in_every_file(spec):
    table, header, python = gemm_map(spec), header_of(spec), python_of(spec)
    data = json.loads(map_texts(spec)[f"{spec.name}_registers.json"])
    page = map_texts(spec)[f"{spec.name}_registers.md"]
    assert header == {name: value for name, value in python.items() if name.isupper()}
    assert [(r["name"], r["offset"]) for r in data["registers"]] == [
        (register.name, table.offset(register)) for register in table.registers
    ]
    for register in table.registers:
        assert header[register.name] == table.offset(register)
        for field in register.fields:
            assert f"`{field.name}`" in page
            mask = header.get(f"{register.name}_{field.name.upper()}_MASK", field.mask)
            assert mask == table.field(register.name, field.name).mask
    for window in table.windows:
        values = [header[f"{window.name}_{key}"] for key in ("BASE", "DEPTH", "STRIDE")]
        assert values == [table.base(window), window.depth, window.stride]
        assert f"| {table.base(window):#x} | `{window.name}` | {window.depth} |" in page


@SPECS
def test_map_has_no_overlap(spec):
    table = gemm_map(spec)
    spans = [(table.base(w), table.base(w) + w.stride * w.depth) for w in table.windows]
    spans = [(0, 4 * len(table.registers)), *spans]
    assert all(low[1] <= high[0] for low, high in pairwise(spans))
    assert spans[-1][1] <= 1 << table.address_bits
    for register in table.registers:
        masks = [field.mask for field in register.fields]
        assert sum(masks) == np.bitwise_or.reduce(masks) < 1 << 32


@SPECS
def test_python_packs_as_the_model_does(spec):
    rng = np.random.default_rng(1)
    table, python, mac = gemm_map(spec), python_of(spec), spec.array.mac
    a = rng.integers(0, 1 << mac.a.width, (2 * spec.array.rows + 1, 5), dtype=np.uint64)
    b = rng.integers(0, 1 << mac.b.width, (5, spec.array.cols + 1), dtype=np.uint64)
    for name, words, own in zip(
        "AB",
        operand_words(spec, a, b),
        (python["a_words"](a.tolist()), python["b_words"](b.tolist())),
        strict=True,
    ):
        window = table.window(name)
        assert [python["bus_words"](word, window.lanes) for word in own] == bus_words(
            words, window
        ).tolist()
    rows, n = 3, 2 * spec.array.cols - 1 or 1
    wanted = rng.integers(0, 1 << min(spec.array.result_width, 60), (rows, n)).tolist()
    words = []
    for row in wanted:
        for first in range(0, n, spec.array.cols):
            words.append(
                sum(
                    code << spec.array.slot_width * col
                    for col, code in enumerate(row[first : first + spec.array.cols])
                )
            )
    assert python["c_codes"](words, n) == wanted
    assert python["c_flags"](words, n) == [[0] * n] * rows


def test_header_compiles(tmp_path):
    spec = parse_gemm(parse_array("4x4", "int8"))
    (tmp_path / "map.h").write_text(map_texts(spec)[f"{spec.name}.h"])
    (tmp_path / "map.cpp").write_text(
        '#include "map.h"\n#include "map.h"\n#include <cstdio>\n'
        'int main() { std::printf("%u %u", GEMM_C_BASE, GEMM_ERROR_BUSY_MASK); }\n'
    )
    program = tmp_path / "map"
    subprocess.run(
        [compiler(), "-Wall", "-Werror", "-o", program, tmp_path / "map.cpp"], check=True
    )
    printed = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    table = gemm_map(spec)
    assert printed == f"{table.base(table.window('C'))} {table.field('ERROR', 'busy').mask}"

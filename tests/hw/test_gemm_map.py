# SPDX-License-Identifier: Apache-2.0
"""The register map in all of its renderings: they say the same as the table."""

import json
import re
import subprocess
from itertools import pairwise

import numpy as np
import pytest

from hw.emit.register_map import map_texts
from hw.spec import parse_array, parse_gemm
from hw.spec.registers import gemm_map
from sim.rtl.build import compiler
from sim.rtl.engine import bus_words, operand_words
from tests.support.specs import GEMMS, WEIGHT_GEMMS

ENGINES = GEMMS | WEIGHT_GEMMS
SPECS = pytest.mark.parametrize("spec", ENGINES.values(), ids=list(ENGINES))


def python_of(spec):
    """Names of the generated Python file."""
    names = {}
    exec(map_texts(spec)[f"{spec.name}.py"], names)
    return names


def header_of(spec):
    """Numbers of the generated C header."""
    text = map_texts(spec)[f"{spec.name}.h"]
    return {name: int(value, 16) for name, value in
            re.findall(r"#define GEMM_(\w+) (0x[0-9a-f]+)u", text)}


@SPECS
def test_map_is_the_same_in_every_file(spec):
    table, header, python = gemm_map(spec), header_of(spec), python_of(spec)
    data = json.loads(map_texts(spec)[f"{spec.name}_registers.json"])
    page = map_texts(spec)[f"{spec.name}_registers.md"]
    assert header == {name: value for name, value in python.items() if name.isupper()}
    assert [(r["name"], r["offset"]) for r in data["registers"]] == [
        (register.name, table.offset(register)) for register in table.registers]
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
    for name, words, own in zip("AB", operand_words(spec, a, b), (
            python["a_words"](a.tolist()), python["b_words"](b.tolist())), strict=True):
        window = table.window(name)
        assert [python["bus_words"](word, window.lanes) for word in own] == \
            bus_words(words, window).tolist()
    rows, n = 3, 2 * spec.array.cols - 1 or 1
    wanted = rng.integers(0, 1 << min(spec.array.result_width, 60), (rows, n)).tolist()
    words = []
    for row in wanted:
        for first in range(0, n, spec.array.cols):
            words.append(sum(code << spec.array.slot_width * col for col, code in
                             enumerate(row[first:first + spec.array.cols])))
    assert python["c_codes"](words, n) == wanted
    assert python["c_flags"](words, n) == [[0] * n] * rows


def test_header_compiles(tmp_path):
    spec = parse_gemm(parse_array("4x4", "int8"))
    (tmp_path / "map.h").write_text(map_texts(spec)[f"{spec.name}.h"])
    (tmp_path / "map.cpp").write_text(
        '#include "map.h"\n#include "map.h"\n#include <cstdio>\n'
        'int main() { std::printf("%u %u", GEMM_C_BASE, GEMM_ERROR_BUSY_MASK); }\n')
    program = tmp_path / "map"
    subprocess.run([compiler(), "-Wall", "-Werror", "-o", program, tmp_path / "map.cpp"],
                   check=True)
    printed = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    table = gemm_map(spec)
    assert printed == f"{table.base(table.window('C'))} {table.field('ERROR', 'busy').mask}"

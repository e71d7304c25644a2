# SPDX-License-Identifier: Apache-2.0
"""Writes a register map as JSON, Markdown, a C header and Python."""

import json
from typing import Any

from hw.spec import GemmSpec
from hw.spec.registers import gemm_map


def map_texts(spec: GemmSpec) -> dict[str, str]:
    """Text of each file by name: NAME_registers.json, NAME_registers.md, NAME.h, NAME.py."""
    data = map_data(spec)
    return {
        f"{spec.name}_registers.json": json.dumps(data, indent=2) + "\n",
        f"{spec.name}_registers.md": _markdown(data),
        f"{spec.name}.h": _header(data),
        f"{spec.name}.py": _python(data),
    }


def map_data(spec: GemmSpec) -> dict[str, Any]:
    """The map and the layout of memory words, as plain data."""
    table, array = gemm_map(spec), spec.array
    a_rows, a_steps = array.schedule.a_block
    return {
        "name": spec.name,
        "spelling": str(spec),
        "dataflow": array.dataflow.value,
        "address_bits": table.address_bits,
        "layout": {
            "rows": array.rows,
            "cols": array.cols,
            "lanes": array.mac.lanes,
            "a_rows": a_rows,
            "a_steps": a_steps,
            "a_bits": array.mac.a.width,
            "b_bits": array.mac.b.width,
            "slot_bits": array.slot_width,
            "result_bits": array.result_width,
            "flag_bits": array.flag_bits,
        },
        "registers": [
            {
                "name": register.name,
                "offset": table.offset(register),
                "locked": register.locked,
                "fields": [
                    {
                        "name": field.name,
                        "lsb": field.lsb,
                        "width": field.width,
                        "access": field.access.value,
                        "value": field.value,
                        "meaning": field.meaning,
                    }
                    for field in register.fields
                ],
            }
            for register in table.registers
        ],
        "windows": [
            {
                "name": window.name,
                "base": table.base(window),
                "depth": window.depth,
                "stride": window.stride,
                "width": window.width,
                "bus_words": window.lanes,
                "access": "write" if window.writable else "read",
                "meaning": window.meaning,
            }
            for window in table.windows
        ],
    }


def _markdown(data: dict[str, Any]) -> str:
    """Map as Markdown tables."""
    lines = [
        f"# Registers of {data['name']}",
        "",
        (
            f"Engine: `{data['spelling']}`, dataflow `{data['dataflow']}`. The bus has byte "
            f"addresses of {data['address_bits']} bits and 32 data bits."
        ),
        "",
        "| offset | register | bits | field | access | meaning |",
        "|" + "---|" * 6,
    ]
    for register in data["registers"]:
        for field in register["fields"]:
            high = field["lsb"] + field["width"] - 1
            bits = f"{high}:{field['lsb']}" if field["width"] > 1 else str(high)
            value = f" ({field['value']:#x})" if field["access"] == "constant" else ""
            lines.append(
                f"| {register['offset']:#04x} | `{register['name']}` | {bits} | "
                f"`{field['name']}` | {field['access']}{value} | {field['meaning']} |"
            )
    locked = ", ".join(f"`{row['name']}`" for row in data["registers"] if row["locked"])
    lines += [
        "",
        (
            f"While a product is running, writes to {locked} and all accesses to memories are "
            "refused and set `ERROR.busy`. Writing 1 to a `sticky` field clears it, and so does "
            "a start."
        ),
        "",
        "| base | memory | words | bits | stride | access | layout |",
        "|" + "---|" * 7,
    ]
    lines += [
        f"| {w['base']:#x} | `{w['name']}` | {w['depth']} | {w['width']} | {w['stride']} | "
        f"{w['access']} | {w['meaning']} |"
        for w in data["windows"]
    ]
    lines += [
        "",
        (
            "A memory word starts at a multiple of the stride, in bytes. It takes as many 32-bit "
            "words as it needs, low bits first. Accesses to any other address are refused."
        ),
        "",
    ]
    return "\n".join(lines)


def _constants(data: dict[str, Any]) -> dict[str, int]:
    """All numbers of the map, by name."""
    constants = {name.upper(): value for name, value in data["layout"].items()}
    for register in data["registers"]:
        constants[register["name"]] = register["offset"]
        for field in register["fields"]:
            name = f"{register['name']}_{field['name'].upper()}"
            if field["access"] == "constant":
                constants[f"{register['name']}_VALUE"] = field["value"]
            elif len(register["fields"]) > 1 or field["name"].upper() != register["name"]:
                constants[f"{name}_MASK"] = (1 << field["width"]) - 1 << field["lsb"]
    for window in data["windows"]:
        constants |= {
            f"{window['name']}_{key.upper()}": window[key]
            for key in ("base", "depth", "stride", "bus_words")
        }
    return constants


def _header(data: dict[str, Any]) -> str:
    """C header with macros."""
    guard = f"{data['name'].upper()}_H"
    lines = [
        (f"/* Registers of {data['name']}, dataflow {data['dataflow']}. Addresses count bytes. */"),
        f"#ifndef {guard}",
        f"#define {guard}",
        "",
    ]
    lines += [f"#define GEMM_{name} {value:#x}u" for name, value in _constants(data).items()]
    return "\n".join([*lines, "", "#endif", ""])


_PACKERS = '''

def a_words(a):
    """Words of memory A, as integers in order of address; ``a`` has M rows of K codes."""
    return _words(a, A_ROWS, A_STEPS, A_BITS)


def b_words(b):
    """Words of memory B, as integers in order of address; ``b`` has K rows of N codes."""
    return _words([list(column) for column in zip(*b)], COLS, LANES, B_BITS)


def bus_words(word, count):
    """Split a memory word into ``count`` 32-bit words, low bits first."""
    return [word >> 32 * part & 0xFFFFFFFF for part in range(count)]


def c_codes(words, n):
    """Rows of C, ``n`` codes each, from the words of memory C in order of address."""
    return _rows(words, n, SLOT_BITS, RESULT_BITS, 0)


def c_flags(words, n):
    """Flags of C, rows of ``n``, from the words of memory C; 0 if the engine has no flags."""
    return _rows(words, n, FLAG_BITS, FLAG_BITS, COLS * SLOT_BITS)


def _words(lines, slots, steps, bits):
    words = []
    for first in range(0, len(lines), slots):
        for start in range(0, len(lines[0]), steps):
            codes = [(steps * slot + step, code)
                     for slot, line in enumerate(lines[first:first + slots])
                     for step, code in enumerate(line[start:start + steps])]
            words.append(sum(int(code) << bits * place for place, code in codes))
    return words


def _rows(words, n, step, bits, low):
    across = -(-n // COLS)
    parts = [[word >> low + step * col & (1 << bits) - 1 for col in range(COLS)] for word in words]
    return [sum(parts[first:first + across], [])[:n] for first in range(0, len(parts), across)]
'''


def _python(data: dict[str, Any]) -> str:
    """Python module with constants and packing functions; standard library only."""
    lines = [
        (
            f'"""Registers and memory words of {data["name"]}, dataflow {data["dataflow"]}. '
            'Addresses count bytes."""'
        ),
        "",
    ]
    lines += [f"{name} = {value:#x}" for name, value in _constants(data).items()]
    return "\n".join(lines) + "\n" + _PACKERS

# SPDX-License-Identifier: Apache-2.0
"""Writes the port sheet of a generated unit: numbers, ports and protocol, in Markdown."""

from typing import Any

from hw.spec import (
    ArraySpec,
    Dataflow,
    FixedAccumulator,
    Format,
    GemmSpec,
    MacSpec,
    OutputSpec,
    Scale,
)
from hw.spec.errors import counted
from hw.spec.registers import gemm_map, steps_text

#: First line on timing.
SYNCHRONOUS = "- Synchronous to the rising edge of `clk`; `rst` is synchronous and active high."


def sheet(manifest: dict[str, Any], spec: MacSpec | ArraySpec | OutputSpec | GemmSpec) -> str:
    """Port sheet of ``spec``; the ports come from the manifest."""
    if isinstance(spec, OutputSpec):
        title = f"Output stage `{spec}`: `o_data = {_result(spec, 'i')}`, one sum per cycle."
        numbers = _output_numbers(spec)
        protocol = [
            SYNCHRONOUS,
            (
                f"- `o_valid` and `o_data` come {counted(spec.latency, 'cycle')} after `i_valid` "
                "and the sum."
            ),
            "- Ignore `o_data` while `o_valid` is 0. A reset discards the sum in flight.",
        ]
    elif isinstance(spec, ArraySpec):
        title, numbers = _title(spec), _array_numbers(spec)
        protocol = array_protocol(spec)
    elif isinstance(spec, GemmSpec):
        array = spec.array
        flow = "" if array.dataflow is Dataflow.OS else "weight-stationary "
        title = (
            f"GEMM engine: `C[M, N] = A[M, K] @ B[K, N]` on a {flow}array of {array.rows} "
            f"rows and {array.cols} columns, with its own memories. MAC: `{array.mac}`."
            + (f" Output stage: `{array.drain}`." if array.out else "")
        )
        numbers = _array_numbers(array)
        protocol = _gemm_protocol(spec)
    else:
        title, numbers, protocol = _title(spec), _numbers(spec), _mac_protocol(spec)
    parts = [
        f"# {spec.name}",
        "",
        title,
        "",
        "## Numbers",
        "",
        *numbers,
        "",
        "## Ports",
        "",
        "| port | direction | bits | meaning |",
        "|---|---|---|---|",
    ]
    parts += [
        f"| `{p['name']}` | {p['direction']} | {p['width']} | {p['description']} |"
        for p in manifest["ports"]
    ]
    return "\n".join([*parts, "", "## Protocol", "", *protocol, ""])


def _title(spec: MacSpec | ArraySpec) -> str:
    """What the unit computes."""
    if isinstance(spec, ArraySpec):
        return array_title(spec) + (
            f" Output stage: `{_result(spec.out, 'c')}`." if spec.out else ""
        )
    lanes = f" over {spec.lanes} lanes" if spec.lanes > 1 else ""
    if spec.blocks:
        scale = "a_scale * b_scale * " if spec.block_scale else ""
        return (
            f"Multiply-accumulate unit `{spec}`: `acc += {scale}sum(a * b)` at the end of each "
            f"block of {spec.block} products{lanes}, one step per cycle."
        )
    return f"Multiply-accumulate unit `{spec}`: `acc += a * b`{lanes}, one step per cycle."


def _array_numbers(spec: ArraySpec) -> list[str]:
    """Formats, accumulator and output stage of an array."""
    return _numbers(spec.mac) + (_output_numbers(spec.out)[1:] if spec.out else [])


def _numbers(mac: MacSpec) -> list[str]:
    """Formats and accumulator."""
    lines = [f"- a: {_format(mac.a)}", f"- b: {_format(mac.b)}"]
    acc = mac.acc
    lines.append(f"- accumulator: {acc.description}")
    if not isinstance(acc, FixedAccumulator):
        return lines
    if acc.lsb_exp > mac.product_lsb:
        lines.append(f"- each product is rounded ({acc.rounding.value}) to the accumulator's lsb")
    if mac.flag_bits:
        lines.append(
            "- a product with a NaN or an infinity adds zero and sets a flag, which stays set "
            "until the end of the sum"
        )
    return lines


def _format(fmt: Format) -> str:
    """One line about a format."""
    if fmt.is_integer:
        return f"`{fmt.name}`, {fmt.width} bits, {fmt.min:.8g} to {fmt.max:.8g}"
    return (
        f"`{fmt.name}`, {fmt.width} bits, {fmt.exp_bits} exponent and {fmt.man_bits} mantissa "
        f"bits, bias {fmt.bias}, specials `{fmt.specials.value}`, largest {fmt.max:.8g}, "
        f"smallest {fmt.min_subnormal:.8g}"
        + ("" if fmt.subnormals else ", subnormal codes mean zero")
    )


def _result(spec: OutputSpec, side: str) -> str:
    """Formula of an output stage; ``side`` is the prefix of its inputs' names."""
    scale = {Scale.NONE: "", Scale.POW2: f" * 2^{side}_scale", Scale.FP32: f" * {side}_scale"}
    zero = f" + {side}_zero_point" if spec.zero_point else ""
    return f"{spec.to.name}(sum{scale[spec.scale]}){zero}"


def _output_numbers(spec: OutputSpec) -> list[str]:
    """Source, format, rounding and overflow of an output stage."""
    to = spec.to
    if spec.saturate or not (to.has_inf or to.has_nan):
        beyond = "the largest value of the same sign"
    else:
        beyond = "infinities" if to.has_inf else "NaN"
    nan = "NaN" if to.has_nan else "the zero point" if spec.zero_point else "zero"
    return [
        f"- sum: {spec.source.description}",
        f"- code: {_format(to)}",
        "- rounded once, to nearest, ties to even",
        f"- overflow and infinities become {beyond}; NaN becomes {nan}",
    ]


def _mac_protocol(mac: MacSpec) -> list[str]:
    """Timing of a MAC."""
    return [
        SYNCHRONOUS,
        (
            "- Each cycle with `i_valid` accumulates one operand pair per lane. `i_first` marks "
            "the first pair of a sum, `i_last` the last one; both may be set in the same cycle."
        ),
        *_block_protocol(mac),
        (
            f"- `o_valid` is 1 for one cycle, {counted(mac.latency, 'cycle')} after the pair with "
            "`i_last`; `o_data` is the sum in that cycle."
        ),
        (
            "- A reset discards everything in flight. The accumulator has no reset: it is "
            "undefined until the first `i_first`."
        ),
    ]


def _block_protocol(mac: MacSpec) -> list[str]:
    """Where blocks of a MAC end."""
    if mac.block is None:
        return []
    return [
        (
            f"- A block is {mac.block // mac.lanes} beat(s); `i_last` may end it early. `o_data` "
            "changes at the end of a block."
        )
    ]


def array_title(spec: ArraySpec) -> str:
    """What an array computes, and in which tiles."""
    tiles = {
        Dataflow.OS: f"tiles of {spec.rows} x {spec.cols}",
        Dataflow.WS: f"tiles of up to {spec.depth} x {spec.cols}, K in steps of "
        f"{spec.rows * spec.mac.lanes}",
    }
    return (
        f"Systolic array of {spec.rows} rows and {spec.cols} columns, dataflow "
        f"`{spec.dataflow.value}`: `C[M, N] = A[M, K] @ B[K, N]` in {tiles[spec.dataflow]}. "
        f"MAC: `{spec.mac}`."
    )


def array_protocol(spec: ArraySpec) -> list[str]:
    """Streams and timing of an array."""
    operands, timing = _DATAFLOWS[spec.dataflow](spec)
    return [
        "- AXI4-Stream; `tvalid` of an operand stream must depend on its own source only.",
        *operands,
        (
            f"- Each row of C is one beat. The {'code' if spec.out else 'sum'} of each column has "
            f"a slot of {spec.slot_width} bits, "
            f"{'sign' if spec.result_signed else 'zero'}-extended."
        ),
        *_drain_protocol(spec.out),
        *timing,
        "- While a beat of C waits for `tready`, the whole array stops.",
        "- A reset discards all tiles in flight; the next beat starts a new tile.",
    ]


def _drain_protocol(out: OutputSpec | None) -> list[str]:
    """When an array samples the inputs of its output stages."""
    names = (
        [
            f"`{name}`"
            for name, bits in (("c_scale", out.scale_bits), ("c_zero_point", out.zero_point_bits))
            if bits
        ]
        if out
        else []
    )
    if not names:
        return []
    return [
        (
            f"- The values of {' and '.join(names)} for a row of C are sampled at the clock edge "
            "after which its `tvalid` is first 1, not while the row waits. If tiles use different "
            "values, set those of the next tile while the last row of the previous tile is on the "
            "stream."
        )
    ]


def _output_stationary(spec: ArraySpec) -> tuple[list[str], list[str]]:
    """Operand beats, and timing of the results."""
    lanes = spec.mac.lanes
    beats = "K" if lanes == 1 else f"ceil(K / {lanes})"
    first = spec.first_result(lanes) - 1
    later = counted(spec.rows - 1, "cycle")
    others = f", and the other rows in the next {later}" if spec.rows > 1 else ""
    return [
        (
            "- A beat of A and a beat of B are accepted together: each `tready` waits for the "
            "`tvalid` of the other stream."
        ),
        (
            f"- A tile has {beats} beats; `tlast` marks the last one on both streams. If the two "
            "disagree, the `tlast` of A counts, and `error` stays 1 until a reset."
        ),
    ], [
        (
            f"- Without stalls, the first row of C is on the stream {first} + {beats} cycles after "
            f"the first operand beat{others}."
        ),
        (
            f"- Tiles of at least {counted(spec.rows, 'beat')} run back to back; a shorter tile "
            f"takes {counted(spec.rows, 'cycle')}."
        ),
    ]


def _weight_stationary(spec: ArraySpec) -> tuple[list[str], list[str]]:
    """Operand beats, and timing of the results."""
    steps = spec.rows * spec.mac.lanes
    return [
        (
            f"- A pass covers {steps} steps of K. Its weights are {spec.rows} beats of B, with the "
            "last step of K first and `tlast` on the last beat. Pad K with codes that do not "
            f"change a sum: {spec.mac.neutral[0]:#x} for a, {spec.mac.neutral[1]:#x} for b."
        ),
        (
            "- Then the pass has one beat of A for each row of C, with `tlast` on the last beat. "
            "All beats of A in a pass have the same `tuser`."
        ),
        (
            "- The passes over the same rows of C come in order of K, each with the same number "
            "of beats of A. `tuser` is 1 in the first pass, 0 in the next ones, 2 in the last, "
            "and 3 if there is only one pass. The last pass gives the beats of C."
        ),
        (
            f"- A pass has at most {spec.depth} beats of A, unless it is the only one. If it has "
            "more, or `tlast` of B is on a wrong beat, `error` stays 1 until a reset."
        ),
        "- The weights of the next pass are accepted while a pass is computed.",
    ], [
        (
            f"- Without stalls, the first beat of A is accepted {spec.rows + 1} cycles after the "
            f"first beat of B. A row of C comes {counted(spec.passage, 'cycle')} after its beat of "
            "A in the last pass."
        ),
        (
            f"- Passes of at least {counted(spec.interval(1, 1), 'beat')} of A run back to back; a "
            f"shorter pass takes {counted(spec.interval(1, 1), 'cycle')}."
        ),
    ]


_DATAFLOWS = {Dataflow.OS: _output_stationary, Dataflow.WS: _weight_stationary}


def _beyond(spec: ArraySpec) -> str:
    """What an engine writes into columns of C beyond N: sums of products with zero."""
    out, mac = spec.out, spec.mac
    zero = "the zero point" if out and out.zero_point else "zeros"
    if not (mac.a.has_nan or mac.a.has_inf):
        return zero
    kinds = [name for name, there in (("NaN", mac.a.has_nan), ("Inf", mac.a.has_inf)) if there]
    where = f"where the row of A holds {' or '.join(kinds)}"
    if out:
        return f"{zero}, but NaN {where}" if out.to.has_nan else zero
    if mac.flag_bits:
        return f"zeros, with the flag of NaN {where}"
    return f"zeros, but NaN {where}"


def _gemm_protocol(spec: GemmSpec) -> list[str]:
    """Memories, timing, and how to run a product."""
    table, array = gemm_map(spec), spec.array
    rows, steps = array.schedule.a_block
    down = "M" if rows == 1 else f"ceil(M / {rows})"
    lines = [
        f"- Memory {window.name}: {window.depth} words of {window.width} bits; {window.meaning}."
        for window in table.windows
    ]
    inputs = [
        f"`{register.name}`"
        for register in table.registers
        if register.name in ("SCALE", "ZERO_POINT")
    ]
    if inputs:
        lines.append(f"- {' and '.join(inputs)}: shared by the output stages of all columns.")
    return [
        *lines,
        (
            f"- A product fits if {steps_text(steps)} * {down} <= {spec.depth_a}, "
            f"{steps_text(array.mac.lanes)} * ceil(N / {array.cols}) <= {spec.depth_b} and "
            f"M * ceil(N / {array.cols}) <= {spec.depth_c}."
        ),
        (
            "- The engine ignores codes of A and B beyond K or N and uses zeros instead. It does "
            "not write rows of C beyond M."
        ),
        f"- Columns of C beyond N hold {_beyond(array)}.",
        (
            "- To run a product: write A and B, write M, K and N, write 1 to `CONTROL.start`, then "
            "wait until `STATUS.busy` is 0 or for `irq`. If a start was refused, `ERROR` has the "
            "reason."
        ),
        (
            f"- From the write to `start` to `done`, a product takes {spec.latency} cycles more "
            "than the array with streams that never stall."
        ),
        (
            "- The memories are undefined until written, and a reset does not change them. While "
            "a product runs, an access to them is refused and sets `ERROR.busy`."
        ),
        (
            f"- Registers: `{spec.name}_registers.md`. For software: `{spec.name}.h` (C), "
            f"`{spec.name}.py` (Python), `{spec.name}_registers.json`."
        ),
    ]

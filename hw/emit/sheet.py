# SPDX-License-Identifier: Apache-2.0
"""Port and protocol sheet of a generated unit, in Markdown."""

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
from hw.spec.registers import gemm_map, steps_text

#: First line on timing.
SYNCHRONOUS = "- Synchronous to the rising edge of `clk`; `rst` is synchronous and active high."


def sheet(manifest: dict[str, Any], spec: MacSpec | ArraySpec | OutputSpec | GemmSpec) -> str:
    """Sheet for ``spec``; the port table is the manifest's."""
    if isinstance(spec, OutputSpec):
        title = f"Output stage `{spec}`: `o_data = {_result(spec, 'i')}`, one sum a cycle."
        numbers = _output_numbers(spec)
        protocol = [
            SYNCHRONOUS,
            f"- `o_valid` and `o_data` follow `i_valid` and the sum by {spec.latency} cycle(s).",
            "- `o_data` means nothing while `o_valid` is 0. A reset drops the sum in flight.",
        ]
    elif isinstance(spec, ArraySpec):
        title, numbers = _title(spec), _array_numbers(spec)
        protocol = array_protocol(spec)
    elif isinstance(spec, GemmSpec):
        array = spec.array
        flow = "" if array.dataflow is Dataflow.OS else "weight-stationary "
        title = (
            f"GEMM engine: `C[M, N] = A[M, K] @ B[K, N]` on a {flow}array of {array.rows} "
            f"rows and {array.cols} columns, from memories of its own. MAC: `{array.mac}`."
            + (f" Each sum leaves as `{array.drain}`." if array.out else "")
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
            f" Each sum leaves as `{_result(spec.out, 'c')}`." if spec.out else ""
        )
    lanes = f" over {spec.lanes} lanes" if spec.lanes > 1 else ""
    return f"Multiply-accumulate unit `{spec}`: `acc += a * b`{lanes}, one step a cycle."


def _array_numbers(spec: ArraySpec) -> list[str]:
    """Formats, accumulator, and the codes of output stages."""
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
            "- a product with a NaN or an infinity adds zero and raises the flags, which "
            "stay up until the sum ends"
        )
    return lines


def _format(fmt: Format) -> str:
    """One line on a format."""
    if fmt.is_integer:
        return f"`{fmt.name}`, {fmt.width} bits, {fmt.min:.8g} to {fmt.max:.8g}"
    return (
        f"`{fmt.name}`, {fmt.width} bits, {fmt.exp_bits} exponent and {fmt.man_bits} mantissa "
        f"bits, bias {fmt.bias}, specials `{fmt.specials.value}`, largest {fmt.max:.8g}, "
        f"smallest {fmt.min_subnormal:.8g}"
        + ("" if fmt.subnormals else ", subnormal codes mean zero")
    )


def _result(spec: OutputSpec, side: str) -> str:
    """What an output stage computes, as a formula; ``side`` begins the names of its inputs."""
    scale = {Scale.NONE: "", Scale.POW2: f" * 2^{side}_scale", Scale.FP32: f" * {side}_scale"}
    zero = f" + {side}_zero_point" if spec.zero_point else ""
    return f"{spec.to.name}(sum{scale[spec.scale]}){zero}"


def _output_numbers(spec: OutputSpec) -> list[str]:
    """Source and target of an output stage, and what becomes of values that do not fit."""
    to = spec.to
    if spec.saturate or not (to.has_inf or to.has_nan):
        beyond = "the largest value of their sign"
    else:
        beyond = "infinities" if to.has_inf else "NaN"
    nan = "NaN" if to.has_nan else "the zero point" if spec.zero_point else "zero"
    return [
        f"- sum: {spec.source.description}",
        f"- code: {_format(to)}",
        "- rounded once, to nearest, ties to even",
        f"- values beyond the largest one and infinities become {beyond}; NaN becomes {nan}",
    ]


def _mac_protocol(mac: MacSpec) -> list[str]:
    """Timing of a MAC."""
    return [
        SYNCHRONOUS,
        (
            "- Each cycle with `i_valid` accumulates one operand pair a lane. `i_first` starts a "
            "new "
            "sum with it, `i_last` ends one; both may be set at once."
        ),
        (
            f"- `o_valid` is 1 for one cycle, {mac.latency} cycle(s) after the pair with `i_last`; "
            "`o_data` then is the sum."
        ),
        (
            "- A reset drops what is in flight. The accumulator has no reset: it is undefined "
            "until "
            "the first `i_first`."
        ),
    ]


def array_title(spec: ArraySpec) -> str:
    """What an array computes, and how it is cut."""
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
        "- AXI4-Stream; `tvalid` of an operand stream may depend on nothing but its own source.",
        *operands,
        (
            f"- Each row of C is a beat; a column's {'code' if spec.out else 'sum'} has a slot of "
            f"{spec.slot_width} bits, extended with "
            f"{'its sign' if spec.result_signed else 'zeros'}."
        ),
        *_drain_protocol(spec.out),
        *timing,
        "- While C is not taken, the whole array stops.",
        "- A reset at any time drops all tiles in flight; the next beat opens a new tile.",
    ]


def _drain_protocol(out: OutputSpec | None) -> list[str]:
    """When the inputs of the output stages at an array's drain count."""
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
            f"- The values of {' and '.join(names)} for a row are taken at the clock edge from "
            "which on it is first offered, not when it waits. Where tiles differ in them: set "
            "those of the next tile while its predecessor's last row is offered."
        )
    ]


def _output_stationary(spec: ArraySpec) -> tuple[list[str], list[str]]:
    """Operand beats, and when results are there."""
    lanes = spec.mac.lanes
    beats = "K" if lanes == 1 else f"ceil(K / {lanes})"
    first = spec.first_result(lanes) - 1
    return [
        (
            "- A beat of A and one of B are taken together: each `tready` waits for the other's "
            "`tvalid`."
        ),
        (
            f"- A tile is {beats} beats, its last one marked by `tlast` on both streams. If they "
            "disagree, A's decides and `error` stays up until the reset."
        ),
    ], [
        (
            f"- Without stalls the first row of C is offered {first} + {beats} cycles after the "
            "first "
            f"operand beat, the others follow in the next {spec.rows - 1} cycles."
        ),
        (
            f"- Tiles of at least {spec.rows} beats follow each other without a bubble; a shorter "
            "one "
            f"takes {spec.rows} cycles."
        ),
    ]


def _weight_stationary(spec: ArraySpec) -> tuple[list[str], list[str]]:
    """Operand beats, and when results are there."""
    steps = spec.rows * spec.mac.lanes
    return [
        (
            f"- A pass computes with {steps} steps of K. Its weights are {spec.rows} beats of B, "
            "the "
            "last step of K first, `tlast` on the last one; K is filled up with products that "
            "change "
            f"no sum: code {spec.mac.neutral[0]:#x} of a, {spec.mac.neutral[1]:#x} of b."
        ),
        (
            "- Then it has a beat of A for each row of C, `tlast` on the last one, and `tuser` the "
            "same on all of them."
        ),
        (
            "- Passes over the same rows of C follow each other in order of K, all with the same "
            "number of beats of A: `tuser` is 1 on the first, 0 on the next ones, 2 on the last, "
            "3 on "
            "one that is both first and last. C has the beats of the last pass."
        ),
        (
            f"- At most {spec.depth} beats of A a pass, unless it is both first and last. If there "
            "are more, or B's `tlast` is in the wrong place, `error` stays up until the reset."
        ),
        "- The weights of the next pass are taken while one is computed.",
    ], [
        (
            f"- Without stalls the first beat of A is taken {spec.rows + 1} cycles after that of "
            "B. "
            f"A row leaves {spec.passage} cycles after its beat of A in the last pass."
        ),
        (
            f"- Passes of at least {spec.interval(1, 1)} beats of A follow each other without a "
            f"bubble; a shorter one takes {spec.interval(1, 1)} cycles."
        ),
    ]


_DATAFLOWS = {Dataflow.OS: _output_stationary, Dataflow.WS: _weight_stationary}


def _gemm_protocol(spec: GemmSpec) -> list[str]:
    """Memories, timing, how a product is run."""
    table, array = gemm_map(spec), spec.array
    rows, steps = array.schedule.a_block
    down = "M" if rows == 1 else f"ceil(M / {rows})"
    lines = [
        f"- Memory {window.name}: {window.depth} words of {window.width} bits, {window.meaning}."
        for window in table.windows
    ]
    inputs = [
        f"`{register.name}`"
        for register in table.registers
        if register.name in ("SCALE", "ZERO_POINT")
    ]
    if inputs:
        lines.append(f"- {' and '.join(inputs)}: one value for the output stages of all columns.")
    return [
        *lines,
        (
            f"- A product fits if {steps_text(steps)} * {down} <= {spec.depth_a}, "
            f"{steps_text(array.mac.lanes)} * ceil(N / {array.cols}) <= {spec.depth_b} and "
            f"M * ceil(N / {array.cols}) <= {spec.depth_c}."
        ),
        (
            "- Places of a word beyond K or N count as zeros whatever they hold; rows beyond M are "
            "not written to C."
        ),
        (
            "- To run a product: write A and B, write M, K and N, write 1 to `CONTROL.start`, wait "
            "until `STATUS.busy` is 0 or for `irq`. `ERROR` says why a start was refused."
        ),
        (
            f"- From the write that starts to `done` it takes {spec.latency} cycles more than the "
            "array takes with streams that never stall."
        ),
        (
            "- The memories have no contents before they are written, and keep theirs over a "
            "reset. "
            "While a product runs they cannot be reached: an access sets `ERROR.busy`."
        ),
        (
            f"- Registers: `{spec.name}_registers.md`, for programs `{spec.name}.h`, "
            f"`{spec.name}.py` and `{spec.name}_registers.json`."
        ),
    ]

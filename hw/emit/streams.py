# SPDX-License-Identifier: Apache-2.0
"""Streams and timing of arrays in words, for the port sheet."""

from hw.spec import ArraySpec, Dataflow, OutputSpec

__all__ = ["array_protocol", "array_title"]


def array_title(spec: ArraySpec) -> str:
    """What an array computes, and how it is cut."""
    tiles = {Dataflow.OS: f"tiles of {spec.rows} x {spec.cols}",
             Dataflow.WS: f"tiles of up to {spec.depth} x {spec.cols}, K in steps of "
                          f"{spec.rows * spec.mac.lanes}"}
    return (f"Systolic array of {spec.rows} rows and {spec.cols} columns, dataflow "
            f"`{spec.dataflow.value}`: `C[M, N] = A[M, K] @ B[K, N]` in {tiles[spec.dataflow]}. "
            f"MAC: `{spec.mac}`.")


def array_protocol(spec: ArraySpec) -> list[str]:
    """Streams and timing of an array."""
    operands, timing = _DATAFLOWS[spec.dataflow](spec)
    return [
        "- AXI4-Stream; `tvalid` of an operand stream may depend on nothing but its own source.",
        *operands,
        (f"- Each row of C is a beat; a column's {'code' if spec.out else 'sum'} has a slot of "
        f"{spec.slot_width} bits, extended with {'its sign' if spec.result_signed else 'zeros'}."),
        *_drain_protocol(spec.out),
        *timing,
        "- While C is not taken, the whole array stops.",
        "- A reset at any time drops all tiles in flight; the next beat opens a new tile.",
    ]


def _drain_protocol(out: OutputSpec | None) -> list[str]:
    """When the inputs of the output stages at an array's drain count."""
    names = [f"`{name}`" for name, bits in (("c_scale", out.scale_bits), (
        "c_zero_point", out.zero_point_bits)) if bits] if out else []
    if not names:
        return []
    return [(f"- The values of {' and '.join(names)} for a row are taken at the clock edge from "
             "which on it is first offered, not when it waits. Where tiles differ in them: set "
             "those of the next tile while its predecessor's last row is offered.")]


def _output_stationary(spec: ArraySpec) -> tuple[list[str], list[str]]:
    """Operand beats, and when results are there."""
    lanes = spec.mac.lanes
    beats = "K" if lanes == 1 else f"ceil(K / {lanes})"
    first = spec.first_result(lanes) - 1
    return [
        ("- A beat of A and one of B are taken together: each `tready` waits for the other's "
        "`tvalid`."),
        (f"- A tile is {beats} beats, its last one marked by `tlast` on both streams. If they "
        "disagree, A's decides and `error` stays up until the reset."),
    ], [
        (f"- Without stalls the first row of C is offered {first} + {beats} cycles after the first "
        f"operand beat, the others follow in the next {spec.rows - 1} cycles."),
        (f"- Tiles of at least {spec.rows} beats follow each other without a bubble; a shorter one "
        f"takes {spec.rows} cycles."),
    ]


def _weight_stationary(spec: ArraySpec) -> tuple[list[str], list[str]]:
    """Operand beats, and when results are there."""
    steps = spec.rows * spec.mac.lanes
    return [
        (f"- A pass computes with {steps} steps of K. Its weights are {spec.rows} beats of B, the "
        "last step of K first, `tlast` on the last one; K is filled up with products that change "
        f"no sum: code {spec.mac.neutral[0]:#x} of a, {spec.mac.neutral[1]:#x} of b."),
        ("- Then it has a beat of A for each row of C, `tlast` on the last one, and `tuser` the "
        "same on all of them."),
        ("- Passes over the same rows of C follow each other in order of K, all with the same "
        "number of beats of A: `tuser` is 1 on the first, 0 on the next ones, 2 on the last, 3 on "
        "one that is both first and last. C has the beats of the last pass."),
        (f"- At most {spec.depth} beats of A a pass, unless it is both first and last. If there "
        "are more, or B's `tlast` is in the wrong place, `error` stays up until the reset."),
        "- The weights of the next pass are taken while one is computed.",
    ], [
        (f"- Without stalls the first beat of A is taken {spec.rows + 1} cycles after that of B. "
        f"A row leaves {spec.passage} cycles after its beat of A in the last pass."),
        (f"- Passes of at least {spec.interval(1, 1)} beats of A follow each other without a "
        f"bubble; a shorter one takes {spec.interval(1, 1)} cycles."),
    ]


_DATAFLOWS = {Dataflow.OS: _output_stationary, Dataflow.WS: _weight_stationary}

# SPDX-License-Identifier: Apache-2.0
"""What the port sheet of a GEMM engine says besides its ports."""

from hw.spec import Dataflow, GemmSpec
from hw.spec.registers import gemm_map, steps_text

__all__ = ["protocol", "title"]


def title(spec: GemmSpec) -> str:
    """What the engine computes."""
    array = spec.array
    flow = "" if array.dataflow is Dataflow.OS else "weight-stationary "
    return (f"GEMM engine: `C[M, N] = A[M, K] @ B[K, N]` on a {flow}array of {array.rows} rows "
            f"and {array.cols} columns, from memories of its own. MAC: `{array.mac}`."
            + (f" Each sum leaves as `{array.out.spelling}`." if array.out else ""))


def protocol(spec: GemmSpec) -> list[str]:
    """Memories, timing, how a product is run."""
    table, array = gemm_map(spec), spec.array
    rows, steps = array.schedule.a_block
    down = "M" if rows == 1 else f"ceil(M / {rows})"
    lines = [f"- Memory {window.name}: {window.depth} words of {window.width} bits, "
             f"{window.meaning}." for window in table.windows]
    inputs = [f"`{register.name}`" for register in table.registers
              if register.name in ("SCALE", "ZERO_POINT")]
    if inputs:
        lines.append(f"- {' and '.join(inputs)}: one value for the output stages of all columns.")
    return [
        *lines,
        (f"- A product fits if {steps_text(steps)} * {down} <= {spec.depth_a}, "
         f"{steps_text(array.mac.lanes)} * ceil(N / {array.cols}) <= {spec.depth_b} and "
         f"M * ceil(N / {array.cols}) <= {spec.depth_c}."),
        ("- Places of a word beyond K or N count as zeros whatever they hold; rows beyond M are "
         "not written to C."),
        ("- To run a product: write A and B, write M, K and N, write 1 to `CONTROL.start`, wait "
         "until `STATUS.busy` is 0 or for `irq`. `ERROR` says why a start was refused."),
        (f"- From the write that starts to `done` it takes {spec.latency} cycles more than the "
         "array takes with streams that never stall."),
        ("- The memories have no contents before they are written, and keep theirs over a reset. "
         "While a product runs they cannot be reached: an access sets `ERROR.busy`."),
        (f"- Registers: `{spec.name}_registers.md`, for programs `{spec.name}.h`, "
         f"`{spec.name}.py` and `{spec.name}_registers.json`."),
    ]

# SPDX-License-Identifier: Apache-2.0
"""The sections that a page can show: data only.

Each stands for the records of ``reports/data/<name>.json``, or for those of `reports.pages.PAGES`,
if it has a page of its own there: then it only shows the answer that the page gives.
"""

from dataclasses import dataclass

__all__ = ["SECTIONS", "Figure", "Section"]


@dataclass(frozen=True, slots=True)
class Figure:
    """Picture drawn from a record: name of file and template, and what it shows in words."""

    name: str
    alt: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """One section.

    Parameters
    ----------
    name
        Name of the data file, and of the marks in a Markdown page.
    title
        Heading on the page.
    command
        What measures it.
    metrics
        Metrics that come first, in this order; any others follow in order of their names.
    chart
        Metric to draw as bars.
    hidden
        Conditions that would only widen the table.
    figures
        Pictures of the records, by the name of their template.
    in_readme
        Whether README.md shows it too; ``index.html`` shows every section.
    """

    name: str
    title: str
    command: str
    metrics: tuple[str, ...] = ()
    chart: str = ""
    hidden: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    in_readme: bool = True


SECTIONS = (
    Section(name="explanation", title="Is FP8 50 to 180 % less efficient than INT8?",
            command="make paper factors fronts arrays nodes"),
    Section(name="networks", title="Real networks in INT8 and FP8", command="make networks",
            hidden=("sqnr", "shapes", "tried", "macs", "data", "licence", "front", "reasons")),
    Section(name="wavefront", title="A tile flows through a 4x4 array", command="make wavefront",
            metrics=("cycles", "first_beat_of_c"), hidden=("trace", "a", "b"),
            figures=(
                Figure("wavefront", "Two tiles flowing through a 4x4 array, cycle by cycle: sums "
                       "grow along diagonals from the southwest and leave in the north"),
                Figure("streams", "Handshakes and beats of the streams of A, B and C in the same "
                       "cycles"))),
    Section(name="demo", title="Digits on a 16x16 array", command="make demo",
            metrics=("accuracy", "rtl_cycles", "closed_form_cycles", "utilisation", "bits_checked",
                     "two_input_gates_default", "two_input_gates_keep")),
    Section(name="accumulation", title="How many accumulator bits?", command="make accumulation",
            hidden=("source",),
            figures=(
                Figure("accumulation", "Error of FP8 dot products against the number of products, "
                       "a line for each accumulator, for three kinds of operands"),)),
    Section(name="theory", title="Bits of accuracy of 8-bit formats", command="make theory",
            in_readme=False),
    Section(name="gates", title="Two-input gates of a MAC", command="make gates",
            metrics=("two_input_gates", "inverters", "flip_flops"), chart="two_input_gates",
            hidden=("passes",), in_readme=False),  # synth/flow/recipes.toml has them.
    *(Section(name=name, title=title, command=f"make {name}", in_readme=False,
              metrics=("two_input_gates_keep", "area", "min_period"),
              hidden=("passes", "timing", "critical_path", "parts", "energy", "blocks"))
      for name, title in (("paper", "The paper's 15 units, all metrics"),
                          ("fronts", "Area over clock period"),
                          ("factors", "Guard bits and lanes"), ("arrays", "Arrays"),
                          ("nodes", "Processes"), ("units", "Units and arrays for networks"))),
    Section(name="features", title="What each feature of a floating-point MAC costs",
            command="make features", hidden=("passes",)),
    Section(name="ratios", title="Floating-point accumulators beside the paper's ratios over INT8",
            command="make ratios",
            metrics=("paper_ratio", "gates_at_paper_ratio", "two_input_gates_keep", "beyond_keep",
                     "without_subnormal_operands_keep", "ratio_keep", "two_input_gates_default",
                     "beyond_default", "without_subnormal_operands_default", "ratio_default"),
            hidden=("passes",), in_readme=False),
    Section(name="fpga", title="MACs on FPGAs", command="make fpga",
            metrics=("luts", "flip_flops", "dsps", "clock"), hidden=("device",), in_readme=False),
    Section(name="boards", title="FPGA boards", command="make boards", in_readme=False,
            hidden=("depths", "seed"), figures=(
                Figure("board", "Path of data on a board: host, serial line, frames, registers, "
                       "memories of A and B, systolic array, memory of C, and back"),)),
    Section(name="engines", title="What a GEMM engine adds around its array",
            command="make engines", in_readme=False, hidden=("passes", "parts")),
    Section(name="generate", title="Time to generate", command="make times",
            metrics=("wall_time", "verilog_size", "modules"), in_readme=False),
    Section(name="simulator", title="How fast is the simulation?", command="make bench"),
    Section(name="verification", title="What is proven, exhausted, sampled",
            command="make test-full"),
    Section(name="cycles", title="Arrays clock by clock, model beside RTL", command="make cycles",
            metrics=("cases", "cycles", "outputs", "differences"), hidden=("mac", "array"),
            in_readme=False),
    Section(name="sim_cycle", title="Speed of the clock-by-clock model",
            command="python -m reports.studies.cycles.speed", hidden=("mac", "product"),
            metrics=("cycles_per_second", "slowest_run", "cycles"), in_readme=False),
    Section(name="mutants", title="Planted faults", command="make mutation",
            metrics=("planted", "caught"), hidden=("caught_by",), in_readme=False),
    Section(name="tests", title="Tests", command="make test-full",
            metrics=("passed", "failed", "error", "skipped", "runtime"), in_readme=False),
)

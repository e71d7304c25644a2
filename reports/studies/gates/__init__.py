# SPDX-License-Identifier: Apache-2.0
"""Two-input gates of MACs, by recipe."""

from reports.registry import Study

STUDIES = (
    Study(
        name="gates",
        title="Two-input gates of a MAC",
        order=70,
        measure="measure",
        metrics=("two_input_gates", "inverters", "flip_flops"),
        chart="two_input_gates",
        hidden=("passes",),
    ),  # synth/flow/recipes.toml has them.
)

# SPDX-License-Identifier: Apache-2.0
"""The networks that are measured, by name: data only."""

from collections.abc import Callable
from pathlib import Path

from reports.studies.networks import digits, photographs, sentences, text
from reports.studies.networks.task import Task

__all__ = ["SAMPLES", "SEARCHED", "TASKS"]

#: Makes a task: models that are written go to the folder; so many samples, or all of them.
TASKS: dict[str, Callable[[Path, int | None], Task]] = {
    "digits": digits.task,
    "direction": text.direction,
    "recogniser": text.recogniser,
    "sentences": sentences.task,
    "photographs": photographs.task,
}

#: Samples that are evaluated unless told otherwise.
SAMPLES = {"digits": 449, "direction": 96, "recogniser": 40, "sentences": 80, "photographs": 36}
#: Networks so small that ranges of least squared error are tried, too.
SEARCHED = ("digits", "direction")

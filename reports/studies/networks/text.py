# SPDX-License-Identifier: Apache-2.0
"""PP-OCRv4 as `rapidocr-onnxruntime` ships it: reads lines of text, tells which way up they are."""

from importlib import metadata
from pathlib import Path

import numpy as np
import numpy.typing as npt

from reports.studies.networks.lines import CALIBRATION, LINES, distance, picture
from reports.studies.networks.packages import package_file
from reports.studies.networks.task import Feed, Outputs, Task, share
from sim.codes import NDArray

__all__ = ["characters", "direction", "read", "recogniser"]

MODULE = "rapidocr_onnxruntime"
#: Width of the pictures that the classifier of directions was trained on.
WIDTH = 192
#: Lines whose directions are told at once.
BATCH = 16
#: Lines, one a run, on which the recogniser's layers are compared with FP32.
COMPARED = 4
#: Name of the input of both networks.
INPUT = "x"


def characters(model: Path) -> list[str]:
    """What the recogniser's classes stand for; the first is "nothing", the last a space."""
    import onnx

    facts = {fact.key: fact.value for fact in onnx.load(model, load_external_data=False)
             .metadata_props}
    return ["", *facts["character"].splitlines(), " "]


def read(scores: NDArray, known: list[str]) -> str:
    """Text of scores (T, classes): the best class at each place, repeated ones once (CTC)."""
    best = scores.argmax(axis=1)
    new = np.append(True, best[1:] != best[:-1])
    return "".join(known[place] for place in best[new])


def recogniser(folder: Path, samples: int | None = None) -> Task:
    """Read lines of text, a run each since their widths differ."""
    model = package_file(MODULE, "models/ch_PP-OCRv4_rec_infer.onnx")
    known, lines = characters(model), LINES[:samples]
    length = sum(map(len, lines))

    def right(outputs: Outputs, reference: Outputs) -> npt.NDArray[np.int64]:
        """Characters of each line less those that are wrong."""
        return np.array([len(line) - distance(read(each[0], known), line)
                         for each, line in zip(outputs, lines, strict=True)])

    def score(outputs: Outputs, reference: Outputs) -> dict[str, float]:
        return {"character_accuracy": 100 * float(right(outputs, reference).sum()) / length}

    return Task(name="PP-OCRv4 recogniser", model=model, licence=_licence(),
                data="rendered lines of text with blur and noise", samples=len(lines),
                feeds=tuple(_line(line, index) for index, line in enumerate(lines)),
                calibration=tuple(_line(line, 100 + index)
                                  for index, line in enumerate(CALIBRATION)),
                score=score, each=right, compared=COMPARED)


def direction(folder: Path, samples: int | None = None) -> Task:
    """Tell lines that stand on their head from those that do not."""
    model = package_file(MODULE, "models/ch_ppocr_mobile_v2.0_cls_infer.onnx")
    turned = np.arange(len(LINES) * 2)[:samples] % 2

    def right(outputs: Outputs, reference: Outputs) -> npt.NDArray[np.int64]:
        best = np.concatenate(outputs).argmax(axis=1)
        return np.asarray(best == turned, np.int64)

    pictures = np.stack([picture(LINES[index // 2], index, width=WIDTH, upside_down=bool(down))
                         for index, down in enumerate(turned)])
    return Task(name="PP-OCR direction", model=model, licence=_licence(),
                data="rendered lines of text, half of them upside down", samples=len(turned),
                feeds=tuple({INPUT: pictures[start:start + BATCH]}
                            for start in range(0, len(pictures), BATCH)),
                calibration=({INPUT: np.stack([
                    picture(line, 100 + index, width=WIDTH, upside_down=index % 2 == 1)
                    for index, line in enumerate(CALIBRATION)])},),
                score=share("accuracy", right), each=right)


def _line(line: str, index: int) -> Feed:
    return {INPUT: picture(line, index)[None]}


def _licence() -> str:
    return (f"rapidocr-onnxruntime {metadata.version('rapidocr-onnxruntime')}, Apache-2.0; "
            "fonts DejaVu")

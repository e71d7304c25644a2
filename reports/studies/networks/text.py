# SPDX-License-Identifier: Apache-2.0
"""PP-OCRv4 from `rapidocr-onnxruntime`: recognises lines of text and their direction.

Lines are this project's own: rendered in DejaVu, then blurred and covered with noise.
"""

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import numpy as np
import numpy.typing as npt

from reports.studies.networks.task import (
    Feed,
    MissingPackage,
    Outputs,
    Task,
    correct,
    package_file,
    share,
)
from sim.codes import NDArray

Floats = npt.NDArray[np.float32]

MODULE = "rapidocr_onnxruntime"
#: Width of the training images of the direction classifier.
WIDTH = 192
#: Lines per run of the direction classifier.
BATCH = 16
#: Number of lines, one per run, on which layers of the recogniser are compared with FP32.
COMPARED = 4
#: Name of the input of both networks.
INPUT = "x"
#: Height that the recogniser was trained for.
HEIGHT = 48
FONTS = (
    "DejaVuSans",
    "DejaVuSerif",
    "DejaVuSansMono",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSerif-Bold",
)
#: Deviation of the blur in pixels and of the noise in grey levels, in turn.
SPOILED = ((0.0, 8.0), (1.0, 16.0), (1.4, 24.0), (1.8, 16.0), (0.6, 48.0))
#: What is recognised; this project's own lines.
LINES = (
    "Invoice No",
    "16 columns",
    "Total 1,249",
    "nearest",
    "Open Friday",
    "Platform 9",
    "e4m3, int8",
    "Shut door",
    "Shelf C12",
    "quick fox",
    "lazy dogs",
    "36.8 degrees",
    "KL1024 Oslo",
    "0.001953",
    "Do not bend",
    "build 828",
    "carry out",
    "thanks",
    "quarter",
    "diagonal",
    "Room 204",
    "blue paint",
    "Gate closes",
    "Monday",
    "3.1416",
    "one hour",
    "Receipt 77",
    "keep left",
    "Harbour",
    "27 boxes",
    "No smoking",
    "cold water",
    "Lot 5,600",
    "Exit west",
    "window",
    "Batch 93B",
    "fragile",
    "Tuesday",
    "60 percent",
    "railway",
    "Oak Street",
    "rounding",
    "Please ring",
    "42.195 km",
    "winter",
    "Level 3",
    "Key under mat",
    "tickets",
)
CALIBRATION = (
    "Sums move",
    "Order 5531",
    "No parking",
    "Zero, too",
    "Wipe twice",
    "07/2031",
)


def picture(
    text: str, index: int, *, width: int | None = None, upside_down: bool = False
) -> Floats:
    """Picture (3, `HEIGHT`, W) of a line, from -1 (black) to 1 (white).

    Font and spoiling depend on ``index``, which also seeds the noise. ``width`` cuts the picture
    or, as the networks' own code does, fills it up with zeros, at the right.
    """
    try:
        from PIL import Image, ImageDraw, ImageFilter, ImageFont
    except ImportError as error:
        raise MissingPackage("Package pillow is not installed: run `make setup`") from error
    font = ImageFont.truetype(
        package_file("matplotlib", f"mpl-data/fonts/ttf/{FONTS[index % len(FONTS)]}.ttf"), 32
    )
    left, _, right, _ = font.getbbox(text)
    image = Image.new("L", (round(right - left) + 16, HEIGHT), 235)
    ImageDraw.Draw(image).text((8 - left, HEIGHT // 2), text, fill=20, font=font, anchor="lm")
    if upside_down:
        image = image.rotate(180)
    blur, noise = SPOILED[index % len(SPOILED)]
    grey = np.asarray(image.filter(ImageFilter.GaussianBlur(blur)), np.float32)
    grey = grey + np.random.default_rng(index).normal(0, noise, grey.shape).astype(np.float32)
    return np.repeat(_fit(np.clip(grey, 0, 255) / 127.5 - 1, width)[None], 3, axis=0)


def _fit(grey: Floats, width: int | None) -> Floats:
    """Crop or pad a picture on the right."""
    if width is None:
        return grey
    fitted = np.zeros((HEIGHT, width), np.float32)
    kept = min(width, grey.shape[1])
    fitted[:, :kept] = grey[:, :kept]
    return fitted


def distance(got: Sequence[str] | str, wanted: Sequence[str] | str) -> int:
    """Insertions, deletions and replacements that lead from one text to the other."""
    row = list(range(len(wanted) + 1))
    for place, char in enumerate(got, 1):
        above, row[0] = row[0], place
        for index, other in enumerate(wanted, 1):
            above, row[index] = (
                row[index],
                min(row[index] + 1, row[index - 1] + 1, above + (char != other)),
            )
    return row[-1]


def characters(model: Path) -> list[str]:
    """Characters of the recogniser's classes; the first is "nothing", the last a space."""
    import onnx

    facts = {
        fact.key: fact.value for fact in onnx.load(model, load_external_data=False).metadata_props
    }
    return ["", *facts["character"].splitlines(), " "]


def read(scores: NDArray, known: list[str]) -> str:
    """Text of scores (T, classes): the best class at each position, without repeats (CTC)."""
    best = scores.argmax(axis=1)
    new = np.append(True, best[1:] != best[:-1])
    return "".join(known[place] for place in best[new])


def recogniser(folder: Path, samples: int | None = None) -> Task:
    """Recognise lines of text, one per run because their widths differ."""
    model = package_file(MODULE, "models/ch_PP-OCRv4_rec_infer.onnx")
    known, lines = characters(model), LINES[:samples]
    length = sum(map(len, lines))

    def right(outputs: Outputs, reference: Outputs) -> npt.NDArray[np.int64]:
        """Number of characters of each line minus the number of errors."""
        return np.array(
            [
                len(line) - distance(read(each[0], known), line)
                for each, line in zip(outputs, lines, strict=True)
            ]
        )

    def score(outputs: Outputs, reference: Outputs) -> dict[str, float]:
        return {"character_accuracy": 100 * float(right(outputs, reference).sum()) / length}

    return Task(
        name="PP-OCRv4 recogniser",
        model=model,
        licence=_licence(),
        data="rendered lines of text with blur and noise",
        samples=len(lines),
        feeds=tuple(_line(line, index) for index, line in enumerate(lines)),
        calibration=tuple(_line(line, 100 + index) for index, line in enumerate(CALIBRATION)),
        score=score,
        each=right,
        compared=COMPARED,
    )


def direction(folder: Path, samples: int | None = None) -> Task:
    """Detect lines that are upside down."""
    model = package_file(MODULE, "models/ch_ppocr_mobile_v2.0_cls_infer.onnx")
    turned = np.arange(len(LINES) * 2)[:samples] % 2

    def right(outputs: Outputs, reference: Outputs) -> npt.NDArray[np.int64]:
        return correct(outputs, turned)

    pictures = np.stack(
        [
            picture(LINES[index // 2], index, width=WIDTH, upside_down=bool(down))
            for index, down in enumerate(turned)
        ]
    )
    return Task(
        name="PP-OCR direction",
        model=model,
        licence=_licence(),
        data="rendered lines of text, half of them upside down",
        samples=len(turned),
        feeds=tuple(
            {INPUT: pictures[start : start + BATCH]} for start in range(0, len(pictures), BATCH)
        ),
        calibration=(
            {
                INPUT: np.stack(
                    [
                        picture(line, 100 + index, width=WIDTH, upside_down=index % 2 == 1)
                        for index, line in enumerate(CALIBRATION)
                    ]
                )
            },
        ),
        score=share("accuracy", right),
        each=right,
    )


def _line(line: str, index: int) -> Feed:
    return {INPUT: picture(line, index)[None]}


def _licence() -> str:
    return (
        f"rapidocr-onnxruntime {metadata.version('rapidocr-onnxruntime')}, Apache-2.0; fonts DejaVu"
    )

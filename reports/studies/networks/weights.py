# SPDX-License-Identifier: Apache-2.0
"""Weights as packages ship them: PyTorch's format before version 1.6, read without PyTorch.

Such a file is three pickles (a magic number, the version of the protocol, facts on the machine that
wrote it), the pickled dictionary of tensors, whose storages it names, the pickled list of the names
of storages, and for each the number of its elements (8 bytes) and the elements themselves
(``torch.serialization._legacy_save``). A pickle can call what it likes; this reader resolves the
four names that tensors need and refuses all others.
"""

import pickle
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hw.spec import SpecError
from sim.codes import NDArray

__all__ = ["read_torch"]

MAGIC = 0x1950A86A20F9469CFC6C
#: Types of storages, by their names in PyTorch.
DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class _Tensor(NamedTuple):
    """Part of a storage, by the storage's name; offset and strides count elements."""

    storage: str
    dtype: np.dtype[Any]
    offset: int
    shape: Sequence[int]
    strides: Sequence[int]


def _rebuild(storage: tuple[str, np.dtype[Any]], offset: int, shape: Sequence[int],
             strides: Sequence[int], *_: object) -> _Tensor:
    """Stand in for ``torch._utils._rebuild_tensor_v2``."""
    return _Tensor(*storage, offset, shape, strides)


class _Reader(pickle.Unpickler):
    """Unpickler that knows tensors and dictionaries of them, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        known = {("torch._utils", "_rebuild_tensor_v2"): _rebuild,
                 ("collections", "OrderedDict"): OrderedDict}
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return known[module, name]

    def persistent_load(self, pid: Any) -> tuple[str, np.dtype[Any]]:
        kind, dtype, key, *_ = pid
        if kind != "storage":
            raise pickle.UnpicklingError(str(kind))
        return key, dtype


def read_torch(path: Path) -> dict[str, NDArray]:
    """Tensors of a file by their names; SpecError if it is not what the module's text describes."""
    try:
        with path.open("rb") as file:
            if _Reader(file).load() != MAGIC:
                raise ValueError("magic number")
            _Reader(file).load(), _Reader(file).load()
            tensors = _Reader(file).load()
            keys = _Reader(file).load()
            dtypes = {tensor.storage: tensor.dtype for tensor in tensors.values()}
            storages = {}
            for key in keys:
                count = int.from_bytes(file.read(8), "little")
                size = count * dtypes[key].itemsize
                storages[key] = np.frombuffer(file.read(size), dtypes[key], count)
        return {name: _view(tensor, storages[tensor.storage]) for name, tensor in tensors.items()}
    except (OSError, EOFError, ValueError, TypeError, KeyError, AttributeError, IndexError,
            pickle.UnpicklingError) as error:
        raise SpecError("Weights file must be of PyTorch's format before 1.6, not "
                        f"{str(path)!r}") from error


def _view(tensor: _Tensor, storage: NDArray) -> NDArray:
    """Elements of a tensor, checked to lie within its storage."""
    last = tensor.offset + sum((side - 1) * stride for side, stride in
                               zip(tensor.shape, tensor.strides, strict=True))
    if tensor.offset < 0 or min(tensor.strides, default=0) < 0 or last >= len(storage):
        raise ValueError("a tensor outside its storage")
    strides = [stride * storage.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(storage[tensor.offset:], tensor.shape, strides).copy()

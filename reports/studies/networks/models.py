# SPDX-License-Identifier: Apache-2.0
"""Model files: networks written as ONNX, and weights in the format of the packages.

Weights are in PyTorch's format before version 1.6, read without PyTorch. Such a file is three
pickles (a magic number, the version of the protocol, facts on the machine that wrote it), the
pickled dictionary of tensors, whose storages it names, the pickled list of the names of storages,
and for each the number of its elements (8 bytes) and the elements themselves
(``torch.serialization._legacy_save``). A pickle can call any function; this reader resolves only
the four names that tensors need.
"""

import pickle
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hw.spec import SpecError
from sim.codes import NDArray
from sim.files import whole_file

#: Version of the operators: the first that has LayerNormalization; and the file format of its time.
OPSET, IR = 17, 8
Shape = list[str | int]


class Graph:
    """Nodes and constants of a model; each value has a name.

    onnx is imported when the first graph is made, because only graphs need it.
    """

    def __init__(self, name: str) -> None:
        import onnx

        self._onnx, self._name = onnx, name
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []

    def input(self, name: str, shape: Shape, dtype: npt.DTypeLike = np.float32) -> str:
        """An input; a dimension with a name can have any size."""
        self._inputs.append(self._value(name, shape, dtype))
        return name

    def constant(self, array: npt.ArrayLike, name: str = "") -> str:
        """A constant of the model."""
        name = name or f"constant_{len(self._constants)}"
        tensor = self._onnx.numpy_helper.from_array(np.ascontiguousarray(array), name)
        self._constants.append(tensor)
        return name

    def add(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add a node with one output, and return the name of the output."""
        name = name or f"{operator.lower()}_{len(self._nodes)}"
        node = self._onnx.helper.make_node(operator, inputs, [name], name=name, **attributes)
        self._nodes.append(node)
        return name

    def save(self, path: Path, outputs: dict[str, Shape]) -> Path:
        """Check the model and write it completely or not at all; outputs are float32."""
        helper = self._onnx.helper
        graph = helper.make_graph(
            self._nodes,
            self._name,
            self._inputs,
            [self._value(name, shape, np.float32) for name, shape in outputs.items()],
            self._constants,
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR,
            producer_name="bytemac",
        )
        self._onnx.checker.check_model(model, full_check=True)
        with whole_file(path) as file:
            file.write(model.SerializeToString(deterministic=True))
        return path

    def _value(self, name: str, shape: Shape, dtype: npt.DTypeLike) -> Any:
        kind = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self._onnx.helper.make_tensor_value_info(name, kind, shape)


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


def _rebuild(
    storage: tuple[str, np.dtype[Any]],
    offset: int,
    shape: Sequence[int],
    strides: Sequence[int],
    *_: object,
) -> _Tensor:
    """Stand in for ``torch._utils._rebuild_tensor_v2``."""
    return _Tensor(*storage, offset, shape, strides)


class _Reader(pickle.Unpickler):
    """Unpickler that accepts only tensors and dictionaries of tensors."""

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        known = {
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
            ("collections", "OrderedDict"): OrderedDict,
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return known[module, name]

    def persistent_load(self, pid: Any) -> tuple[str, np.dtype[Any]]:
        kind, dtype, key, *_ = pid
        if kind != "storage":
            raise pickle.UnpicklingError(str(kind))
        return key, dtype


def read_torch(path: Path) -> dict[str, NDArray]:
    """Tensors of a file by name; SpecError if it is not in the format described above."""
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
    except (
        OSError,
        EOFError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        IndexError,
        pickle.UnpicklingError,
    ) as error:
        raise SpecError(
            f"Weights file must be of PyTorch's format before 1.6, not {str(path)!r}"
        ) from error


def _view(tensor: _Tensor, storage: NDArray) -> NDArray:
    """Elements of a tensor, checked to lie within its storage."""
    last = tensor.offset + sum(
        (side - 1) * stride for side, stride in zip(tensor.shape, tensor.strides, strict=True)
    )
    if tensor.offset < 0 or min(tensor.strides, default=0) < 0 or last >= len(storage):
        raise ValueError("a tensor outside its storage")
    strides = [stride * storage.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.shape, strides).copy()

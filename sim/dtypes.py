# SPDX-License-Identifier: Apache-2.0
"""Arrays whose dtype is a number format: those of ml_dtypes, torch and other DLPack exporters.

ml_dtypes and torch are never imported here: a dtype is recognised by its name.
"""

import io
import sys
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from hw.spec import Format, SpecError, parse_format

NDArray = npt.NDArray[Any]

#: Metadata key, in a dtype of raw bytes, for the name of a dtype that numpy does not have.
_NAME = "format"
#: Start of a .npy header of a float8_e5m2 array as ml_dtypes saves it, which numpy refuses to read;
#: its replacement, which means raw bytes; and the position of the header in the file.
_E5M2, _RAW, _DESCR = b"{'descr': '<f1'", b"{'descr': '|V1'", 10


def as_numpy(x: Any) -> Any:
    """Convert a tensor to a numpy array. Return anything else unchanged: numpy can convert it.

    A tensor of a dtype that numpy does not have, for instance torch.float8_e4m3fn, becomes an
    array of raw bits whose format `dtype_format` returns.
    """
    torch: Any = sys.modules.get("torch")
    tensors: tuple[Any, ...] = (torch.Tensor,) if hasattr(torch, "Tensor") else ()
    if isinstance(x, tensors):
        tensor: Any = x.detach().cpu()
        try:
            return tensor.numpy()
        except TypeError:
            size = tensor.element_size()
            bits = tensor.contiguous().view(getattr(torch, f"int{8 * size}")).numpy()
            name = str(tensor.dtype).rpartition(".")[2]
            return bits.view(np.dtype(f"V{size}", metadata={_NAME: name}))
    if hasattr(x, "__dlpack__") and not hasattr(x, "__array__"):
        try:
            return np.from_dlpack(x)
        except (BufferError, RuntimeError, TypeError) as error:
            raise SpecError(
                f"numpy cannot read this DLPack array ({error}); view its elements as unsigned "
                "integers on the CPU and pass those"
            ) from error
    return x


def dtype_name(dtype: np.dtype[Any]) -> str:
    """Name of a dtype, for messages."""
    return _own_name(dtype) or str(dtype)


def _own_name(dtype: np.dtype[Any]) -> str | None:
    """Name that `as_numpy` gave a dtype."""
    metadata: Any = dtype.metadata or {}
    return str(metadata[_NAME]) if _NAME in metadata else None


def dtype_format(dtype: np.dtype[Any]) -> Format | None:
    """Format of a dtype, or None if it is not a format: float16 is fp16, float8_e4m3fn is e4m3."""
    try:
        return parse_format(_own_name(dtype) or dtype.name)
    except SpecError:
        return None


def same_codes(one: Format, other: Format) -> bool:
    """Whether equal codes of two formats have equal values, apart from subnormals read as zero."""
    fields = ("signed", "exp_bits", "man_bits", "bias", "nan_code", "inf_code", "max_code")
    return all(getattr(one, field) == getattr(other, field) for field in fields)


def is_raw(dtype: np.dtype[Any]) -> bool:
    """Whether a dtype is raw bytes, as which numpy reads .npy files of ml_dtypes."""
    return dtype.type is np.void and dtype.names is None and dtype.subdtype is None


def bits_of(array: NDArray, fmt: Format) -> NDArray | None:
    """Bits of an array whose dtype is ``fmt`` or raw bytes of its size, else None."""
    dtype = array.dtype
    own = None if dtype.kind in "iuO" else dtype_format(dtype)
    nameless = is_raw(dtype) and own is None and 8 * (dtype.itemsize - 1) < fmt.width
    if not (own is not None and same_codes(own, fmt)) and not (
        nameless and fmt.width <= 8 * dtype.itemsize and dtype.itemsize in (1, 2, 4, 8)
    ):
        return None
    if dtype.kind == "f" and not dtype.isnative:
        array = array.astype(dtype.newbyteorder("="))
    bits: NDArray = array.view(f"u{dtype.itemsize}")
    return bits if own is None else bits & bits.dtype.type((1 << fmt.width) - 1)


def load_npy(file: IO[bytes]) -> Any:
    """`numpy.load` of numbers, including .npy files of ml_dtypes arrays.

    numpy reads these as raw bytes (dtype V1 or V2), except float8_e5m2: it is saved as ``<f1``,
    which numpy refuses to read. Here it is read as raw bytes too.
    """
    head = file.read(_DESCR + len(_E5M2))
    if head[_DESCR:] == _E5M2:
        return np.load(io.BytesIO(head[:_DESCR] + _RAW + file.read()), allow_pickle=False)
    file.seek(0)
    return np.load(file, allow_pickle=False)

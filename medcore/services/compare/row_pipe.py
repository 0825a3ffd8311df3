"""Tables of numbers across the pipe to the model process: shapes in the message, numbers as little-endian bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np

from medcore.errors import ArtifactError, InputError

__all__ = ["pack_arrays", "read_result", "unpack_rows", "write_result"]

_Result = TypeVar("_Result")


def pack_arrays(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, list[int]], list[bytes]]:
    """Return shapes by name and one blob of float64 per array, in the same order."""
    ready = {name: np.asarray(array, dtype="<f8", order="C") for name, array in arrays.items()}
    return {name: list(array.shape) for name, array in ready.items()}, [array.tobytes() for array in ready.values()]


def unpack_rows(payload: Mapping[str, Any], blobs: Sequence[bytes]) -> dict[str, Any]:
    """Put the arrays back into a request's arguments (``shapes`` names them).

    Raises
    ------
    InputError
        Shapes and bytes do not belong together.
    """
    arguments = dict(payload)
    try:
        arrays = _unpack(arguments.pop("shapes"), blobs)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError("the rows of this request cannot be read") from error
    return {**arguments, **arrays}


def write_result(result: Any) -> tuple[dict[str, Any], list[bytes]]:
    """Turn a dataclass of arrays into an answer."""
    shapes, blobs = pack_arrays({item.name: getattr(result, item.name) for item in fields(result)})
    return {"result": shapes}, blobs


def read_result(kind: type[_Result], shapes: Any, blobs: Sequence[bytes]) -> _Result:
    """Build the dataclass of arrays from an answer.

    Raises
    ------
    ArtifactError
        The answer does not hold what ``kind`` needs.
    """
    try:
        return kind(**_unpack(shapes, blobs))
    except (AttributeError, TypeError, ValueError) as error:
        raise ArtifactError("the model process gave an answer that cannot be read") from error


def _unpack(shapes: Mapping[str, Sequence[int]], blobs: Sequence[bytes]) -> dict[str, np.ndarray]:
    pairs = zip(shapes.items(), blobs, strict=True)
    return {name: np.frombuffer(blob, dtype="<f8").reshape([int(n) for n in shape]) for (name, shape), blob in pairs}

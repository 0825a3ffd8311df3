"""Frozen results across the pipe of a helper process: plain JSON with the arrays beside it as bytes.

Nothing is unpickled: the receiving side builds the class it expects from its own type annotations, and anything
that does not fit is an ``ArtifactError``.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np

from medcore.errors import ArtifactError

__all__ = ["pack", "unpack"]

_DTYPES = frozenset({"<f8", "<f4", "<i8", "|i1", "|b1"})
_ARRAY = "array"


def pack(item: Any, blobs: list[bytes]) -> Any:
    """Turn dataclasses, mappings, sequences, arrays and plain values into JSON types; arrays go to ``blobs``."""
    if isinstance(item, np.ndarray):
        array = np.ascontiguousarray(item)
        blobs.append(array.tobytes())
        return {_ARRAY: len(blobs) - 1, "dtype": array.dtype.str, "shape": list(array.shape)}
    if is_dataclass(item):
        return {part.name: pack(getattr(item, part.name), blobs) for part in fields(item)}
    if isinstance(item, Mapping):
        return {str(key): pack(value, blobs) for key, value in item.items()}
    if isinstance(item, Enum):
        return item.value
    if isinstance(item, np.generic):
        return item.item()
    if isinstance(item, Sequence) and not isinstance(item, str):
        return [pack(part, blobs) for part in item]
    return item


def unpack(kind: Any, raw: Any, blobs: Sequence[bytes]) -> Any:
    """Build ``kind`` (a dataclass, or a ``tuple``, ``Mapping`` or array type of such) from :func:`pack`'s form.

    Raises
    ------
    ArtifactError
        It is not what was expected.
    """
    try:
        return _build(kind, raw, blobs)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError("a helper process gave an answer that cannot be read") from error


def _build(kind: Any, raw: Any, blobs: Sequence[bytes]) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is np.ndarray or kind is np.ndarray:
        return _build_array(raw, blobs)
    if origin in (typing.Union, types.UnionType):
        return None if raw is None else _build(arguments[0], raw, blobs)
    if origin is typing.Literal:
        return _build_literal(arguments, raw)
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_build(arguments[0], part, blobs) for part in raw)
        return tuple(_build(one, part, blobs) for one, part in zip(arguments, raw, strict=True))
    if origin is not None and issubclass(origin, Mapping):
        return {key: _build(arguments[1], value, blobs) for key, value in raw.items()}
    if is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        names = {part.name for part in fields(kind)}
        if set(raw) != names:
            raise ValueError("other parts than expected")
        return typing.cast(Any, kind)(**{name: _build(hints[name], raw[name], blobs) for name in names})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(raw)
    return _build_plain(kind, raw)


def _build_literal(allowed: Sequence[Any], raw: Any) -> Any:
    if raw not in allowed:
        raise ValueError("a word that is not known")
    return raw


def _build_plain(kind: Any, raw: Any) -> Any:
    if kind is float and isinstance(raw, int) and not isinstance(raw, bool):
        return float(raw)
    if isinstance(kind, type) and not isinstance(raw, kind):
        raise TypeError("another kind of value than expected")
    return raw


def _build_array(raw: Mapping[str, Any], blobs: Sequence[bytes]) -> np.ndarray:
    if raw["dtype"] not in _DTYPES:
        raise ValueError("an unknown kind of numbers")
    array: np.ndarray = np.frombuffer(blobs[raw[_ARRAY]], dtype=raw["dtype"]).reshape([int(n) for n in raw["shape"]])
    return array

"""From a model's raw input rows to the columns its arithmetic uses. Stateless: nothing is fitted here.

A number becomes its (possibly log-transformed) value, 0 where blank; a choice becomes one column
per code, all 0 where blank; a field whose blank may be known to the model adds a gap column.
Keras bundles hold the same arithmetic as a layer; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medcore.errors import InputError
from medcore.records import FieldKind, Schema

__all__ = ["Encoding", "FieldEncoding"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldEncoding:
    """How one input column is spread over encoded columns.

    ``codes`` is empty for numbers. ``transform`` is ``identity`` or ``log`` (natural logarithm of
    the value floored at ``floor``).
    """

    name: str
    codes: tuple[int, ...] = ()
    transform: str = "identity"
    floor: float = 1e-6
    gap: bool = True

    @property
    def width(self) -> int:
        """Number of encoded columns."""
        return (len(self.codes) or 1) + int(self.gap)


@dataclass(frozen=True, slots=True)
class Encoding:
    """The encoded columns of all inputs, field after field."""

    fields: tuple[FieldEncoding, ...]

    @classmethod
    def of(cls, schema: Schema) -> Encoding:
        """Return the encoding that a schema declares."""
        return cls(
            tuple(
                FieldEncoding(
                    name=item.name,
                    codes=tuple(choice.code for choice in item.choices) if item.kind is FieldKind.CHOICE else (),
                    transform=item.transform,
                    floor=max(item.possible[0], 1e-6) if item.possible else 1e-6,
                    gap=item.gap_informative,
                )
                for item in schema.inputs
            )
        )

    @classmethod
    def from_json(cls, rows: list[dict[str, object]]) -> Encoding:
        """Rebuild from :meth:`to_json`."""
        return cls(
            tuple(
                FieldEncoding(
                    name=str(row["name"]),
                    codes=tuple(row["codes"]),  # type: ignore[arg-type]
                    transform=str(row["transform"]),
                    floor=float(row["floor"]),  # type: ignore[arg-type]
                    gap=bool(row["gap"]),
                )
                for row in rows
            )
        )

    def to_json(self) -> list[dict[str, object]]:
        """Describe the encoding in plain JSON types."""
        return [
            {
                "name": item.name,
                "codes": list(item.codes),
                "transform": item.transform,
                "floor": item.floor,
                "gap": item.gap,
            }
            for item in self.fields
        ]

    @property
    def width(self) -> int:
        """Number of encoded columns in all."""
        return sum(item.width for item in self.fields)

    def slices(self) -> tuple[slice, ...]:
        """Columns of each field, in field order."""
        ends = np.cumsum([item.width for item in self.fields])
        return tuple(slice(int(end - item.width), int(end)) for item, end in zip(self.fields, ends, strict=True))

    def encode(self, X: np.ndarray) -> np.ndarray:
        """Encode raw rows.

        Parameters
        ----------
        X : array, shape (n, n_inputs)
            NaN = blank; choices as codes.

        Returns
        -------
        float64 array, shape (n, width)
            Without NaN.

        Raises
        ------
        InputError
            The number of columns is not the number of inputs.
        """
        X = np.asarray(X, dtype=np.float64)
        if X.ndim != 2 or X.shape[1] != len(self.fields):
            raise InputError(f"input has shape {X.shape}, expected (n, {len(self.fields)})")
        return np.column_stack([_encode_column(item, X[:, j]) for j, item in enumerate(self.fields)])


def _encode_column(item: FieldEncoding, column: np.ndarray) -> np.ndarray:
    blank = np.isnan(column)
    if item.codes:
        parts = [column == code for code in item.codes]
    elif item.transform == "log":
        parts = [np.where(blank, 0.0, np.log(np.maximum(np.where(blank, 1.0, column), item.floor)))]
    else:
        parts = [np.where(blank, 0.0, column)]
    if item.gap:
        parts.append(blank)
    return np.column_stack([part.astype(np.float64) for part in parts])

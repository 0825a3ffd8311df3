"""From a model's raw input rows to the columns its arithmetic uses. Stateless: nothing is fitted here.

A number becomes its transformed value and, where knots are declared, restricted cubic spline terms
(Harrell, Regression Modeling Strategies, 2nd ed., eq. 2.25), all 0 where blank; a choice becomes one
column per code, all 0 where blank; a field whose blank may be known to the model adds a gap column.
Keras bundles hold the same arithmetic as a layer; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medcore.errors import InputError
from medcore.records import FieldKind, Schema

__all__ = ["LEAST_BLANK_SHARE", "LOG_FLOOR", "Encoding", "FieldEncoding", "apply_transform", "spline_terms"]

LOG_FLOOR = 1e-3
"""Lowest value whose logarithm is taken (own unit)."""
LEAST_BLANK_SHARE = 0.02
"""Share of blank training rows from which on a gap column can be learnt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldEncoding:
    """How one input column is spread over encoded columns.

    ``codes`` is empty for numbers. ``transform`` is ``identity``, ``log`` (natural logarithm of the value
    plus ``offset``, floored) or ``sqrt``; ``knots`` (at least three, in the field's own unit) add
    ``len(knots) - 2`` spline columns.
    """

    name: str
    codes: tuple[int, ...] = ()
    transform: str = "identity"
    offset: float = 0.0
    knots: tuple[float, ...] = ()
    gap: bool = True

    @property
    def width(self) -> int:
        """Number of encoded columns."""
        return (len(self.codes) or 1 + max(len(self.knots) - 2, 0)) + int(self.gap)


@dataclass(frozen=True, slots=True)
class Encoding:
    """The encoded columns of all inputs, field after field."""

    fields: tuple[FieldEncoding, ...]

    @classmethod
    def of(cls, schema: Schema, *, splines: bool = False, blank_share: np.ndarray | None = None) -> Encoding:
        """Return the encoding that a schema declares.

        Parameters
        ----------
        schema : Schema
            Fields with transform, knots and whether a blank may be known to the model.
        splines : bool
            Whether to add the spline columns.
        blank_share : array, shape (n_inputs,), optional
            Share of training rows on which each field is blank. A gap column needs at least
            ``LEAST_BLANK_SHARE``: a column that training hardly sees would add noise when a doctor leaves the
            field blank.
        """
        inputs = schema.inputs
        shares = np.ones(len(inputs)) if blank_share is None else blank_share
        return cls(
            tuple(
                FieldEncoding(
                    name=item.name,
                    codes=tuple(choice.code for choice in item.choices) if item.kind is FieldKind.CHOICE else (),
                    transform=item.transform,
                    offset=item.log_offset,
                    knots=item.knots if splines else (),
                    gap=bool(item.gap_informative and share >= LEAST_BLANK_SHARE),
                )
                for item, share in zip(inputs, shares, strict=True)
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
                    offset=float(row["offset"]),  # type: ignore[arg-type]
                    knots=tuple(row["knots"]),  # type: ignore[arg-type]
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
                "offset": item.offset,
                "knots": list(item.knots),
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

    def encode(self, X: np.ndarray, *, blank: float = 0.0) -> np.ndarray:
        """Encode raw rows.

        Parameters
        ----------
        X : array, shape (n, n_inputs)
            NaN = blank; choices as codes.
        blank : float
            What the columns of a blank field become (NaN for estimators that fill blanks themselves).

        Returns
        -------
        float64 array, shape (n, width)

        Raises
        ------
        InputError
            The number of columns is not the number of inputs.
        """
        X = self._check(X)
        return np.column_stack([_encode_column(item, X[:, j], blank) for j, item in enumerate(self.fields)])

    def observed(self, X: np.ndarray) -> np.ndarray:
        """Return 1 where the source of an encoded column is known, else 0; 1 for gap columns.

        Shape (n, width), float64.
        """
        known = ~np.isnan(self._check(X))
        parts = []
        for j, item in enumerate(self.fields):
            mask = np.repeat(known[:, j : j + 1], item.width, axis=1)
            if item.gap:
                mask[:, -1] = True
            parts.append(mask)
        return np.hstack(parts).astype(np.float64)

    def _check(self, X: np.ndarray) -> np.ndarray:
        X = np.asarray(X, dtype=np.float64)
        if X.ndim != 2 or X.shape[1] != len(self.fields):
            raise InputError(f"input has shape {X.shape}, expected (n, {len(self.fields)})")
        return X


def apply_transform(item: FieldEncoding, values: np.ndarray) -> np.ndarray:
    """Return transformed values (no NaN in, no NaN out)."""
    if item.transform == "log":
        return np.asarray(np.log(np.maximum(values + item.offset, LOG_FLOOR)))
    if item.transform == "sqrt":
        return np.asarray(np.sqrt(np.maximum(values, 0.0)))
    return values


def spline_terms(values: np.ndarray, knots: np.ndarray) -> list[np.ndarray]:
    """Return the ``len(knots) - 2`` non-linear restricted cubic spline terms of transformed values."""
    first, before_last, last = knots[0], knots[-2], knots[-1]
    scale = (last - first) ** 2

    def cube(at: float) -> np.ndarray:
        return np.asarray(np.maximum(values - at, 0.0) ** 3)

    return [
        (
            cube(knot)
            - cube(before_last) * (last - knot) / (last - before_last)
            + cube(last) * (before_last - knot) / (last - before_last)
        )
        / scale
        for knot in knots[:-2]
    ]


def _encode_column(item: FieldEncoding, column: np.ndarray, blank_value: float) -> np.ndarray:
    blank = np.isnan(column)
    if item.codes:
        parts = [np.where(blank, blank_value, column == code) for code in item.codes]
    else:
        value = apply_transform(item, np.where(blank, 1.0, column))
        terms = spline_terms(value, apply_transform(item, np.array(item.knots))) if item.knots else []
        parts = [np.where(blank, blank_value, part) for part in (value, *terms)]
    if item.gap:
        parts.append(blank)
    return np.column_stack([part.astype(np.float64) for part in parts])

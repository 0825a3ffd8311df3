"""Whether a model applies to this patient: how unusual the values are together, and each alone.

Only summary statistics of the training rows are kept: means, a shrunk covariance, quantiles.
Possible ranges, population limits and required fields are judged elsewhere and passed in as reasons.

Three things are looked at, each calibrated on rows that the statistics had not seen:

* distance of the known values from the middle of the study, given how many fields are known: beyond
  the 97.5th percentile caution, beyond the 99.9th withheld;
* the number of blanks: caution above the 97.5th percentile;
* each number against its studied range (1st to 99th percentile). With many fields about one patient in
  four has *some* value outside, so that caution is given only for values *far* outside: beyond the
  range widened in proportion to each tail's own length, by the smallest common factor that keeps
  cautions in all near 5.5 %.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from medcore.encoding import LOG_FLOOR
from medcore.errors import InputError, IntegrityError
from medcore.records import Field, FieldKind, Schema
from medcore.results import Applicability, Reason, Status

__all__ = ["CAUTION_PERCENTILE", "WITHHELD_PERCENTILE", "ApplicabilityModel", "fit_applicability"]

CAUTION_PERCENTILE = 97.5
"""Distance percentile (and percentile of the number of blanks) above which a score carries a caution."""

WITHHELD_PERCENTILE = 99.9
"""Distance percentile above which no score is given."""

_WITHHOLDING = frozenset({"outside_possible", "population", "required_missing"})
_CAUTION_BUDGET = 0.055
_RARE_SD = 0.3  # sqrt(.1 * .9): a choice made by fewer than one in ten does not count as more unusual than that
_WIDEST = 20.0
_GRID = np.linspace(0.0, 0.9, 46)
_TAIL_FROM = 0.9
_MIN_POOL = 300
_N_STATES = (Status.SCORED, Status.CAUTION, Status.WITHHELD)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ApplicabilityModel:
    """Summary statistics of a study population, and the thresholds that go with them.

    Attributes
    ----------
    names, labels, units : tuple of str
        Of the input fields, in column order. ``decimals`` likewise, for wording.
    column_field : int array, shape (d,)
        Field of each standardised column (one for a number, one for each but the commonest choice).
    column_code : float array, shape (d,)
        Code that a choice column stands for; NaN for a number.
    log, root, offset : bool, bool and float arrays, shape (n_fields,)
        Whether the logarithm (of the value plus the offset) or the square root is used, as the models do.
    centre, scale : float arrays, shape (d,)
        Mean and standard deviation of each column.
    covariance : float array, shape (d, d)
        Shrunk correlation matrix of the columns, positive definite.
    studied : float array, shape (n_fields, 2)
        1st and 99th percentile, canonical unit; NaN for choices.
    caution_range : float array, shape (n_fields, 2)
        Values beyond these get a caution; the studied range widened by a common factor.
    quantiles : float array, shape (n_fields + 1, 46)
        Row k: quantiles 0 to .9 of the normalised distance when k fields are known.
    tail : float array, shape (n_fields + 1, 2)
        Row k: scale and shape of the generalised Pareto tail beyond the last quantile.
    asked : bool array, shape (n_fields,)
        Whether a form asks for the field; only these are counted as known or blank.
    max_gaps : int
        More blanks than this get a caution.

    Notes
    -----
    Distance: Mahalanobis on the known columns, squared, brought to one scale for every number of
    columns by the cube root (Wilson & Hilferty 1931, doi:10.1073/pnas.17.12.684). Covariance from pairwise
    known values, shrunk towards the identity (Ledoit & Wolf 2004, doi:10.1016/S0047-259X(03)00096-4). Tail:
    Pickands 1975, doi:10.1214/aos/1176343003, fitted by probability-weighted moments (Hosking & Wallis 1987,
    doi:10.2307/1269343).
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    units: tuple[str, ...]
    decimals: np.ndarray
    column_field: np.ndarray
    column_code: np.ndarray
    log: np.ndarray
    root: np.ndarray
    offset: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    covariance: np.ndarray
    studied: np.ndarray
    caution_range: np.ndarray
    quantiles: np.ndarray
    tail: np.ndarray
    asked: np.ndarray
    max_gaps: int

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return plain arrays (names as text arrays) for an ``.npz`` file, keys prefixed ``applicability_``."""
        return {f"applicability_{item.name}": np.array(getattr(self, item.name)) for item in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> ApplicabilityModel:
        """Rebuild from :meth:`to_arrays`; other keys are ignored.

        Raises
        ------
        IntegrityError
            An array is missing, of a shape that does not fit, or not finite where it must be.
        """
        try:
            found = {item.name: arrays[f"applicability_{item.name}"] for item in fields(cls)}
            texts = {name: tuple(str(text) for text in found.pop(name)) for name in ("names", "labels", "units")}
            model = cls(**texts, max_gaps=int(found.pop("max_gaps")), **found)  # type: ignore[arg-type]
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError("the applicability statistics of the bundle are incomplete") from error
        model._check_shapes()
        return model

    def check(self, row: np.ndarray, extra_reasons: Sequence[Reason] = ()) -> Applicability:
        """Judge one patient.

        Parameters
        ----------
        row : float array, shape (n_fields,)
            Raw values, NaN = blank, choices as codes.
        extra_reasons : sequence of Reason
            Found elsewhere. The codes ``outside_possible``, ``population`` and ``required_missing``
            withhold, any other cautions.

        Returns
        -------
        Applicability
            With every reason in words, the extra ones first.

        Raises
        ------
        InputError
            Another number of fields, or infinite values.
        """
        X = self._check_rows(np.asarray(row, dtype=np.float64)[None])
        percentile = float(self._percentiles(X)[0])
        own = (*self._distance_reasons(percentile), *self._range_reasons(X[0]), *self._gap_reasons(X[0]))
        withheld = percentile > WITHHELD_PERCENTILE or any(reason.code in _WITHHOLDING for reason in extra_reasons)
        reasons = (*extra_reasons, *own)
        return Applicability(
            status=Status.WITHHELD if withheld else Status.CAUTION if reasons else Status.SCORED,
            reasons=reasons,
            n_known=int(np.isfinite(X[:, self.asked]).sum()),
            n_fields=int(self.asked.sum()),
            distance_percentile=None if np.isnan(percentile) else percentile,
        )

    def check_many(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Judge many patients at once, without wording.

        Parameters
        ----------
        X : float array, shape (n, n_fields)
            Raw rows, NaN = blank.

        Returns
        -------
        statuses : str array, shape (n,)
            ``"scored"``, ``"caution"`` or ``"withheld"`` (values of :class:`medcore.results.Status`).
        percentiles : float64 array, shape (n,)
            Distance percentile, 0-100; NaN where nothing is known.
        """
        X = self._check_rows(np.asarray(X, dtype=np.float64))
        percentiles = self._percentiles(X)
        outside = (self.caution_range[:, 0] > X) | (self.caution_range[:, 1] < X)
        caution = (
            outside.any(axis=1)
            | (np.isnan(X[:, self.asked]).sum(axis=1) > self.max_gaps)
            | (percentiles > CAUTION_PERCENTILE)
        )
        state = np.where(percentiles > WITHHELD_PERCENTILE, 2, caution.astype(np.int64))
        return np.array([status.value for status in _N_STATES])[state], percentiles

    def _check_rows(self, X: np.ndarray) -> np.ndarray:
        if X.ndim != 2 or X.shape[1] != len(self.names):
            raise InputError(f"input has shape {X.shape}, expected (n, {len(self.names)})")
        if np.isinf(X).any():
            raise InputError("input holds infinite values; leave unknown values blank")
        return X

    def _check_shapes(self) -> None:
        n, d = len(self.names), len(self.centre)
        expected = {
            "decimals": (n,),
            "column_field": (d,),
            "column_code": (d,),
            "log": (n,),
            "root": (n,),
            "offset": (n,),
            "scale": (d,),
            "covariance": (d, d),
            "studied": (n, 2),
            "caution_range": (n, 2),
            "quantiles": (n + 1, len(_GRID)),
            "tail": (n + 1, 2),
            "asked": (n,),
        }
        wrong = [name for name, shape in expected.items() if np.shape(getattr(self, name)) != shape]
        finite = all(np.isfinite(part).all() for part in (self.centre, self.scale, self.covariance, self.quantiles))
        if wrong or not finite or len(self.labels) != n or len(self.units) != n:
            raise IntegrityError(f"the applicability statistics of the bundle do not fit together: {', '.join(wrong)}")

    def _percentiles(self, X: np.ndarray) -> np.ndarray:
        distance, n_known = self._distances(X)
        out = np.full(len(X), np.nan)
        for k in np.unique(n_known[n_known > 0]).tolist():
            rows = n_known == k
            out[rows] = 100.0 * _share_below(distance[rows], self.quantiles[k], self.tail[k])
        return out

    def _distances(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return normalised distance (n,) and number of known fields (n,)."""
        return _distances(self._columns(X), X, self.column_field, self.covariance)

    def _columns(self, X: np.ndarray) -> np.ndarray:
        scales = _Scales(self.log, self.root, self.offset)
        raw = _raw_columns(scales.forward(X), self.column_field, self.column_code)
        return np.asarray((raw - self.centre) / self.scale)

    def _distance_reasons(self, percentile: float) -> tuple[Reason, ...]:
        if percentile > WITHHELD_PERCENTILE:
            text = f"This combination of values is rarer than {WITHHELD_PERCENTILE:g} % of the study's patients."
        elif percentile > CAUTION_PERCENTILE:
            text = (
                f"This combination of values is unusual: {CAUTION_PERCENTILE:g} % of the study's patients are less so."
            )
        else:
            return ()
        return (Reason(code="distance", text=text),)

    def _range_reasons(self, row: np.ndarray) -> tuple[Reason, ...]:
        outside = (row < self.caution_range[:, 0]) | (row > self.caution_range[:, 1])
        return tuple(self._range_reason(index, float(row[index])) for index in np.flatnonzero(outside).tolist())

    def _range_reason(self, index: int, value: float) -> Reason:
        places = int(self.decimals[index])
        lo, hi = self.studied[index]
        unit = f" {self.units[index]}" if self.units[index] else ""
        shown = f"{self.labels[index]} {value:.{places}f}{unit}"
        text = f"{shown} is far outside the studied range ({lo:.{places}f}-{hi:.{places}f}{unit})."
        return Reason(code="outside_studied", text=text, field=self.names[index])

    def _gap_reasons(self, row: np.ndarray) -> tuple[Reason, ...]:
        gaps = int(np.isnan(row[self.asked]).sum())
        if gaps <= self.max_gaps:
            return ()
        usual = f"almost all of the study's patients had at most {self.max_gaps} unknown"
        text = f"{gaps} of {self.asked.sum()} fields are not known; {usual}."
        return (Reason(code="many_gaps", text=text),)


def fit_applicability(X: np.ndarray, schema: Schema, folds: np.ndarray) -> ApplicabilityModel:
    """Fit the statistics, and calibrate them on rows they have not seen.

    Parameters
    ----------
    X : float array, shape (n, n_inputs)
        Raw training rows on which the clinical question is asked; NaN = blank.
    schema : Schema
        Its inputs are the columns.
    folds : int array, shape (n,)
        Fold of each row; distances of a fold are measured with the statistics of the others.

    Returns
    -------
    ApplicabilityModel

    Raises
    ------
    InputError
        Shapes do not fit, fewer than two folds or 50 rows, or infinite values.
    """
    X, folds = np.asarray(X, dtype=np.float64), np.asarray(folds)
    items = schema.inputs
    if X.ndim != 2 or X.shape[1] != len(items) or folds.shape != (len(X),):
        raise InputError(f"training rows of shape {X.shape} do not fit {len(items)} inputs and {folds.shape} folds")
    if len(X) < 50 or len(np.unique(folds)) < 2 or np.isinf(X).any():
        raise InputError("applicability needs at least 50 finite rows in at least two folds")
    layout = _Layout.of(items, X)
    distance, n_known = np.zeros(len(X)), np.zeros(len(X), dtype=np.int64)
    excess = np.zeros(X.shape)
    for fold in np.unique(folds):
        inside, outside = X[folds != fold], folds == fold
        moments = layout.fit(inside)
        distance[outside], n_known[outside] = layout.distances(X[outside], moments)
        excess[outside] = layout.excess(X[outside], layout.tails(inside))
    quantiles, tail = _calibrate(distance, n_known, len(items))
    asked = np.array([item.in_form for item in items])
    gaps = np.isnan(X[:, asked]).sum(axis=1)
    max_gaps = int(np.quantile(gaps, CAUTION_PERCENTILE / 100.0, method="inverted_cdf"))
    percentile = _percentiles_of(distance, n_known, quantiles, tail)
    others = (percentile > CAUTION_PERCENTILE) | (gaps > max_gaps)
    tails = layout.tails(X)
    moments = layout.fit(X)
    return ApplicabilityModel(
        names=tuple(item.name for item in items),
        labels=tuple(item.label for item in items),
        units=tuple(item.unit for item in items),
        decimals=np.array([item.decimals for item in items]),
        column_field=layout.column_field,
        column_code=layout.column_code,
        log=layout.scales.log,
        root=layout.scales.root,
        offset=layout.scales.offset,
        centre=moments.centre,
        scale=moments.scale,
        covariance=moments.covariance,
        studied=layout.range_at(tails, 0.0),
        caution_range=layout.range_at(tails, _widening(excess.max(axis=1, initial=0.0), others)),
        quantiles=quantiles,
        tail=tail,
        asked=asked,
        max_gaps=max_gaps,
    )


@dataclass(frozen=True, slots=True)
class _Moments:
    centre: np.ndarray
    scale: np.ndarray
    covariance: np.ndarray


@dataclass(frozen=True, slots=True)
class _Scales:
    """The transform of each field, as in :mod:`medcore.encoding`, and its inverse."""

    log: np.ndarray
    root: np.ndarray
    offset: np.ndarray

    def forward(self, X: np.ndarray) -> np.ndarray:
        out = np.array(X, dtype=np.float64)
        out[:, self.log] = np.log(np.maximum(out[:, self.log] + self.offset[self.log], LOG_FLOOR))
        out[:, self.root] = np.sqrt(np.maximum(out[:, self.root], 0.0))
        return out

    def backward(self, T: np.ndarray) -> np.ndarray:
        out = np.array(T, dtype=np.float64)
        out[:, self.log] = np.exp(np.minimum(out[:, self.log], 500.0)) - self.offset[self.log]
        out[:, self.root] = np.maximum(out[:, self.root], 0.0) ** 2
        return out


@dataclass(frozen=True, slots=True)
class _Layout:
    """Which columns the fields become; the same for every fold."""

    column_field: np.ndarray
    column_code: np.ndarray
    scales: _Scales
    number: np.ndarray

    @classmethod
    def of(cls, items: tuple[Field, ...], X: np.ndarray) -> _Layout:
        columns = [(index, code) for index, item in enumerate(items) for code in _column_codes(item, X[:, index])]
        return cls(
            column_field=np.array([index for index, _ in columns], dtype=np.int64),
            column_code=np.array([code for _, code in columns], dtype=np.float64),
            scales=_Scales(
                log=np.array([item.kind is FieldKind.NUMBER and item.transform == "log" for item in items]),
                root=np.array([item.kind is FieldKind.NUMBER and item.transform == "sqrt" for item in items]),
                offset=np.array([item.log_offset for item in items]),
            ),
            number=np.array([item.kind is FieldKind.NUMBER for item in items]),
        )

    def fit(self, X: np.ndarray) -> _Moments:
        raw = _raw_columns(self.scales.forward(X), self.column_field, self.column_code)
        n_seen = np.maximum((~np.isnan(raw)).sum(axis=0), 1)
        centre = np.nansum(raw, axis=0) / n_seen
        sd = np.sqrt(np.nansum((raw - centre) ** 2, axis=0) / n_seen)
        choice = ~np.isnan(self.column_code)
        scale = np.where(choice, np.maximum(sd, _RARE_SD), np.where(sd > 1e-12, sd, 1.0))
        return _Moments(centre, scale, _shrunk_covariance((raw - centre) / scale))

    def distances(self, X: np.ndarray, moments: _Moments) -> tuple[np.ndarray, np.ndarray]:
        raw = _raw_columns(self.scales.forward(X), self.column_field, self.column_code)
        return _distances((raw - moments.centre) / moments.scale, X, self.column_field, moments.covariance)

    def tails(self, X: np.ndarray) -> np.ndarray:
        """Return ends and tail lengths of every number on its transformed scale, shape (n_fields, 4).

        Columns: 1st percentile, 99th percentile, length of the lower and of the upper tail, each the
        scale of an exponential tail between the 10th and the 1st (90th and 99th) percentile. NaN for choices.
        """
        values = self.scales.forward(X)
        out = np.full((X.shape[1], 4), np.nan)
        for index in np.flatnonzero(self.number).tolist():
            seen = values[~np.isnan(values[:, index]), index]
            if len(seen):
                p01, p10, p90, p99 = np.quantile(seen, [0.01, 0.1, 0.9, 0.99])
                least = max((p99 - p01) / 50.0, 1e-9)
                lengths = (max((p10 - p01) / np.log(10.0), least), max((p99 - p90) / np.log(10.0), least))
                out[index] = (p01, p99, *lengths)
        return out

    def excess(self, X: np.ndarray, tails: np.ndarray) -> np.ndarray:
        """How far outside the studied range, in tail lengths, shape (n, n_fields); 0 inside."""
        value = self.scales.forward(X)
        p01, p99, below, above = tails.T
        return np.asarray(np.nan_to_num(np.maximum(np.maximum((p01 - value) / below, (value - p99) / above), 0.0)))

    def range_at(self, tails: np.ndarray, factor: float) -> np.ndarray:
        """Studied range widened by ``factor`` tail lengths, canonical unit, shape (n_fields, 2)."""
        p01, p99, below, above = tails.T
        return self.scales.backward(np.stack([p01 - factor * below, p99 + factor * above])).T


def _column_codes(item: Field, column: np.ndarray) -> list[float]:
    """NaN for a number; for a choice its codes but the commonest."""
    if item.kind is FieldKind.NUMBER:
        return [float("nan")]
    codes = [float(choice.code) for choice in item.choices]
    commonest = max(codes, key=lambda code: int((column == code).sum()), default=None)
    return [code for code in codes if code != commonest]


def _raw_columns(values: np.ndarray, column_field: np.ndarray, column_code: np.ndarray) -> np.ndarray:
    """Return transformed values and choice columns, shape (n, d); NaN where the field is blank."""
    columns = values[:, column_field]
    choice = ~np.isnan(column_code)
    chosen = columns[:, choice]
    columns[:, choice] = np.where(np.isnan(chosen), np.nan, chosen == column_code[choice])
    return columns


def _shrunk_covariance(Z: np.ndarray) -> np.ndarray:
    """Shrink the pairwise covariance of standardised columns (NaN = unknown) towards the scaled identity.

    The share of the target is Ledoit and Wolf's, with the variance of each entry taken over the
    rows that know both columns. Variances below 1 (rare choices, whose scale has a floor) count as 1.
    Eigenvalues are floored, since pairwise matrices may not be positive.
    """
    known = ~np.isnan(Z)
    filled = np.where(known, Z, 0.0)
    n = np.maximum(known.T.astype(np.float64) @ known, 1.0)
    sample = (filled.T @ filled) / n
    np.fill_diagonal(sample, np.maximum(np.diag(sample), 1.0))
    spread = np.maximum((filled**2).T @ (filled**2) / n - sample**2, 0.0) / n
    target = np.eye(len(sample)) * np.trace(sample) / max(len(sample), 1)
    away = ((sample - target) ** 2).sum()
    share = 1.0 if away <= 0 else min(spread.sum() / away, 1.0)
    values, vectors = np.linalg.eigh((1.0 - share) * sample + share * target)
    floor = 1e-3 * max(values.max(initial=1.0), 1e-3)
    return np.asarray((vectors * np.maximum(values, floor)) @ vectors.T)


def _distances(
    Z: np.ndarray, X: np.ndarray, column_field: np.ndarray, covariance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the normalised Mahalanobis distance on known columns (n,) and the number of known fields (n,)."""
    known = ~np.isnan(X)
    distance = np.zeros(len(X))
    for pattern, rows in _by_pattern(known):
        columns = np.flatnonzero(pattern[column_field])
        if len(columns):
            factor = cholesky(covariance[np.ix_(columns, columns)], lower=True, check_finite=False)
            part = Z[np.ix_(rows, columns)].T
            squared = (solve_triangular(factor, part, lower=True, check_finite=False) ** 2).sum(axis=0)
            spread = 2.0 / (9.0 * len(columns))
            distance[rows] = (np.cbrt(squared / len(columns)) - 1.0 + spread) / np.sqrt(spread)
    return distance, known.sum(axis=1)


def _by_pattern(known: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Group rows by which fields are known: pairs of pattern (n_fields,) and row numbers."""
    if len(known) == 1:
        return [(known[0], np.zeros(1, dtype=np.int64))]
    packed = np.ascontiguousarray(np.packbits(known, axis=1))
    keys = packed.view(f"V{packed.shape[1]}").ravel()
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(group, kind="stable")
    ends = np.cumsum(np.bincount(group))
    return [(known[row], part) for row, part in zip(first, np.split(order, ends[:-1]), strict=True)]


def _calibrate(distance: np.ndarray, n_known: np.ndarray, n_fields: int) -> tuple[np.ndarray, np.ndarray]:
    """Summarise out-of-fold distances for each number of known fields, pooling neighbours until there are enough."""
    quantiles, tail = np.zeros((n_fields + 1, len(_GRID))), np.zeros((n_fields + 1, 2))
    for k in range(n_fields + 1):
        away = np.abs(n_known - k)
        reach = np.sort(away)[min(_MIN_POOL, len(away)) - 1]
        pool = distance[away <= reach]
        quantiles[k] = np.quantile(pool, _GRID)
        tail[k] = _fit_tail(np.sort(pool[pool > quantiles[k, -1]] - quantiles[k, -1]))
    return quantiles, tail


def _fit_tail(excess: np.ndarray) -> tuple[float, float]:
    """Return scale and shape of a generalised Pareto distribution (shape 0 = exponential, kept within 0 to .4)."""
    n = len(excess)
    if n < 5:
        return max(float(excess.mean()) if n else 0.0, 1e-6), 0.0
    first = float(excess.mean())
    second = float((excess * (n - 1 - np.arange(n)) / (n - 1)).mean())
    shape = 2.0 - first / (first - 2.0 * second) if first > 2.0 * second else 0.4
    shape = float(np.clip(shape, 0.0, 0.4))
    return max(first * (1.0 - shape), 1e-6), shape


def _share_below(distance: np.ndarray, quantiles: np.ndarray, tail: np.ndarray) -> np.ndarray:
    inside = np.interp(distance, quantiles, _GRID)
    beyond = np.maximum(distance - quantiles[-1], 0.0) / tail[0]
    shape = float(tail[1])
    survival = np.exp(-beyond) if shape < 1e-9 else (1.0 + shape * beyond) ** (-1.0 / shape)
    return np.asarray(np.where(distance > quantiles[-1], 1.0 - (1.0 - _TAIL_FROM) * survival, inside))


def _percentiles_of(distance: np.ndarray, n_known: np.ndarray, quantiles: np.ndarray, tail: np.ndarray) -> np.ndarray:
    out = np.zeros(len(distance))
    for k in np.unique(n_known).tolist():
        rows = n_known == k
        out[rows] = 100.0 * _share_below(distance[rows], quantiles[k], tail[k])
    return out


def _widening(excess: np.ndarray, others: np.ndarray) -> float:
    """Return the smallest common widening that keeps out-of-fold cautions in all within the budget."""
    allowed = int(_CAUTION_BUDGET * len(excess)) - int(others.sum())
    ordered = np.sort(excess[~others])[::-1]
    at = max(allowed, 0)
    return float(min(ordered[at] if at < len(ordered) else 0.0, _WIDEST))

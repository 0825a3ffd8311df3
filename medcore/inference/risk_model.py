"""A loaded bundle that answers: calibrated risk, interval, applicability. Read-only after loading."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from medcore.encoding import Encoding
from medcore.errors import InputError, IntegrityError, MedcoreError, SelfTestError
from medcore.inference.applicability import ApplicabilityModel
from medcore.inference.calibrator import Calibrator
from medcore.inference.fieldwise import FieldwiseLogistic, FieldwiseNetwork, make_fieldwise
from medcore.inference.scores import Scores, load_scores
from medcore.registry.bundle import SealedBundle
from medcore.registry.manifest import Manifest
from medcore.results import Applicability, Interval, Prediction, Reason, Status

__all__ = ["GOLDEN_TOLERANCE", "RiskBatch", "RiskModel"]

GOLDEN_TOLERANCE = 1e-4
"""Largest allowed difference (probability) from the released answers; holds across CPU and GPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskBatch:
    """Calibrated risks of many rows: ``p``, ``lo``, ``hi`` of shape (n,), ``lo <= p <= hi``."""

    p: np.ndarray
    lo: np.ndarray
    hi: np.ndarray


class RiskModel:
    """One model, ready to answer.

    Attributes
    ----------
    background, background_weight : arrays, shapes (m, n_inputs) and (m,)
        Made-up patients against whom SHAP values are measured; weights sum to 1.
    cohort : array, shape (500, n_inputs)
        Made-up patients for plausible values of blanks.
    """

    def __init__(self, bundle: SealedBundle, scores: Scores) -> None:
        self.manifest: Manifest = bundle.manifest
        self.sha256 = bundle.sha256
        self.scores = scores
        self.encoding = Encoding.from_json(bundle.manifest.encoding)
        self.calibrator = Calibrator.from_json(bundle.read_json("calibrator.json"))
        reference = bundle.read_arrays("reference.npz")
        self.applicability = ApplicabilityModel.from_arrays(reference)
        try:
            self.cohort = bundle.read_arrays("cohort.npz")["X"]
            self.background = reference["background"]
            self.background_weight = reference["background_weight"]
        except KeyError as error:
            raise IntegrityError(f"{bundle.manifest.id}: the reference data have no {error.args[0]}") from error
        self._check_parts()

    @classmethod
    def load(cls, bundle: SealedBundle) -> RiskModel:
        """Build the model of a verified bundle and run its self-test.

        Raises
        ------
        IntegrityError
            The bundle's parts do not make a model.
        SelfTestError
            It does not give the answers it was released with.
        """
        try:
            model = cls(bundle, load_scores(bundle))
            model.self_test(bundle.read_json("golden.json"))
        except MedcoreError:
            raise
        except Exception as error:
            raise IntegrityError(f"{bundle.manifest.id}: its parts do not make a model: install it again") from error
        return model

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the input columns, in order."""
        return tuple(item.name for item in self.encoding.fields)

    def probability(self, X: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities, shape (n,), of raw rows (n, n_inputs), NaN = blank."""
        return self.calibrator.probability(self.scores.main(self._check(X)))

    def fieldwise(self) -> FieldwiseLogistic | FieldwiseNetwork | None:
        """Return :meth:`probability` in additive form for explanations, or None."""
        return make_fieldwise(self.scores, self.encoding, self.calibrator)

    def risk(self, X: np.ndarray) -> RiskBatch:
        """Return calibrated probabilities with their sampling intervals.

        Raises
        ------
        InputError
            Wrong number of columns, or infinite values.
        """
        X = self._check(X)
        score, refits = self.scores.both(X)
        if score.shape != (len(X),):
            raise SelfTestError(f"{self.manifest.id} gave {score.shape} scores for {len(X)} patients: do not use it")
        lo, hi = self.calibrator.interval(score, refits)
        p = self.calibrator.probability(score)
        if not (np.isfinite(p).all() and np.isfinite(lo).all() and np.isfinite(hi).all()):
            raise SelfTestError(f"{self.manifest.id} gave a score that is not a number: do not use it")
        return RiskBatch(p=p, lo=np.minimum(lo, p), hi=np.maximum(hi, p))

    def predict(self, row: np.ndarray, reasons: tuple[Reason, ...] = ()) -> Prediction:
        """Predict one patient.

        Parameters
        ----------
        row : array, shape (n_inputs,)
            NaN = blank.
        reasons : tuple of Reason
            Reasons found before the model was asked (population limits, required fields missing,
            impossible values), each of which withholds the score.
        """
        applicability = self.applicability.check(row, reasons)
        if applicability.status is Status.WITHHELD:
            return self.prediction(applicability, math.nan, math.nan, math.nan)
        batch = self.risk(row[None, :])
        return self.prediction(applicability, float(batch.p[0]), float(batch.lo[0]), float(batch.hi[0]))

    def prediction(self, applicability: Applicability, p: float, lo: float, hi: float) -> Prediction:
        """Put a number and its applicability together; a withheld result carries no number."""
        withheld = applicability.status is Status.WITHHELD
        threshold = self.manifest.operating_points.get("default")
        label = None
        if not withheld and threshold is not None:
            label = "positive" if p >= threshold else "negative"
        return Prediction(
            condition=self.manifest.condition,
            model_id=self.manifest.id,
            sha256=self.sha256,
            applicability=applicability,
            p_calibrated=None if withheld else p,
            interval=None if withheld else Interval(lo=lo, hi=hi, level=self.calibrator.level),
            label=label,
            threshold=threshold,
        )

    def self_test(self, golden: Mapping[str, list[list[float | None]]]) -> None:
        """Compare with the answers the bundle was released with.

        Raises
        ------
        SelfTestError
            An answer differs by more than ``GOLDEN_TOLERANCE``.
        """
        try:
            X = np.array([[math.nan if v is None else v for v in row] for row in golden["rows"]], dtype=np.float64)
            expected = np.array([golden["p"], golden["lo"], golden["hi"]], dtype=np.float64)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise SelfTestError(f"{self.manifest.id}: golden.json is incomplete") from error
        if not len(X) or expected.shape != (3, len(X)):
            raise SelfTestError(f"{self.manifest.id}: golden.json is incomplete")
        batch = self.risk(X)
        worst = float(np.abs(np.array([batch.p, batch.lo, batch.hi]) - expected).max(initial=0.0))
        if not worst <= GOLDEN_TOLERANCE:
            raise SelfTestError(
                f"{self.manifest.id} does not reproduce its released answers (off by {worst:.1e}): install it again"
            )

    def _check_parts(self) -> None:
        n_fields = len(self.encoding.fields)
        shapes = (self.cohort.shape[1:], self.background.shape[1:], (len(self.applicability.names),))
        if any(shape != (n_fields,) for shape in shapes) or self.background_weight.shape != self.background.shape[:1]:
            raise IntegrityError(f"{self.manifest.id}: its parts were made for another number of fields")

    def _check(self, X: np.ndarray) -> np.ndarray:
        X = np.asarray(X, dtype=np.float64)
        if X.ndim != 2 or X.shape[1] != len(self.encoding.fields):
            raise InputError(f"input has shape {X.shape}, the model expects (n, {len(self.encoding.fields)})")
        if np.isinf(X).any():
            raise InputError("input holds infinite values; leave unknown values blank")
        return X

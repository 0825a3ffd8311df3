"""The Python API: load a model, predict, explain. Nothing is journalled on this path.

>>> import medcore
>>> model = medcore.load_model("diabetes-logistic")  # doctest: +SKIP
>>> model.predict([{"age_years": 61, "sex": "male", "waist_cm": 112}])  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

import numpy as np

from medcore.conditions.catalog import find_condition
from medcore.conditions.condition import Condition
from medcore.config import read_settings
from medcore.errors import IntegrityError
from medcore.explain.tabular import Explainer
from medcore.inference.eligibility import find_reasons
from medcore.inference.risk_model import RiskBatch, RiskModel
from medcore.records import PatientRecord, read_record
from medcore.registry import Catalog
from medcore.results import Explanation, MissingValueGain, ModelFacts, Prediction, Response

__all__ = ["Model", "list_models", "load_model"]

Record = PatientRecord | Mapping[str, str | float | None]


class Model:
    """A loaded model with everything it can be asked.

    Records are :class:`medcore.records.PatientRecord` or mappings of field name to value (text as a
    doctor would type it, or numbers in the field's own unit).
    """

    def __init__(self, risk_model: RiskModel, facts: ModelFacts, condition: Condition) -> None:
        if risk_model.input_names != condition.schema.input_names:
            raise IntegrityError(
                f"{facts.model_id} was trained on other fields than {condition.id} has now: train it again",
                expected=", ".join(condition.schema.input_names),
            )
        self.facts = facts
        self.condition = condition
        self.risk_model = risk_model

    @cached_property
    def explainer(self) -> Explainer:
        """SHAP explainer against the bundle's made-up background."""
        return Explainer(
            score=self.risk_model.probability,
            fields=self.condition.schema.inputs,
            background=self.risk_model.background,
            weight=self.risk_model.background_weight,
            cohort=self.risk_model.cohort,
            fieldwise=self.risk_model.fieldwise(),
        )

    def predict(self, records: Iterable[Record]) -> tuple[Prediction, ...]:
        """Predict each record.

        Raises
        ------
        FieldError
            A value cannot be used (the first one found).
        """
        return tuple(self.predict_one(record) for record in records)

    def predict_one(self, record: Record) -> Prediction:
        """Predict one record; errors as :meth:`predict`."""
        values = self._values(record)
        return self.risk_model.predict(self._row(values), find_reasons(self.condition, values))

    def predict_rows(self, X: np.ndarray) -> RiskBatch:
        """Risks of raw rows, shape (n, n_inputs) in ``input_names`` order, NaN = blank; no applicability."""
        return self.risk_model.risk(X)

    def explain(self, record: Record, *, precision: float = 0.02) -> Explanation:
        """Explain one record by SHAP values with a worst standard error of ``precision`` (probability units)."""
        return self.explainer.explain(self._row(self._values(record)), precision=precision)

    def most_useful_missing(self, record: Record) -> MissingValueGain | None:
        """Return the blank field whose value could move the risk most; None if nothing is blank."""
        return self.explainer.most_useful_missing(self._row(self._values(record)))

    def respond(self, record: Record, field: str) -> Response:
        """Sweep one field over its studied range, all others as they are. Not a treatment effect."""
        row = self._row(self._values(record))
        studied = self.risk_model.manifest.studied[field]
        return self.explainer.respond(row, field, studied, self._interval)

    def _interval(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        batch = self.risk_model.risk(X)
        return batch.p, batch.lo, batch.hi

    def _values(self, record: Record) -> dict[str, float]:
        if not isinstance(record, PatientRecord):
            reading = read_record(self.condition.schema, record)
            if reading.errors:
                raise reading.errors[0]
            record = reading.record
        values = dict(record.values)
        for name, value in self.condition.derive(values).items():
            values.setdefault(name, value)
        return values

    def _row(self, values: Mapping[str, float]) -> np.ndarray:
        return PatientRecord(values=values).to_row(self.condition.schema)


def list_models(condition: str | None = None, models_dir: Path | None = None) -> tuple[ModelFacts, ...]:
    """List the usable models (of one condition), defaults first."""
    return _catalog(models_dir).models(find_condition(condition).id if condition else None)


def load_model(model_id: str, models_dir: Path | None = None) -> Model:
    """Load one model: hashes checked, model built, self-test run.

    Raises
    ------
    UnknownNameError
        There is no such model.
    ArtifactError
        The bundle is refused, with the reason.
    """
    return load_from(_catalog(models_dir), model_id)


def load_from(catalog: Catalog, model_id: str) -> Model:
    """Load one model of an opened catalog; errors as :func:`load_model`."""
    facts = catalog.find(model_id)
    return Model(RiskModel.load(catalog.bundle(model_id)), facts, find_condition(facts.condition))


def _catalog(models_dir: Path | None) -> Catalog:
    return Catalog(models_dir or read_settings().models_dir)

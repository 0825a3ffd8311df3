"""The Python API: load a model, predict, explain. Nothing is journalled on this path.

>>> import medcore
>>> model = medcore.load_model("diabetes-logistic")  # doctest: +SKIP
>>> model.predict([{"age_years": 61, "sex": "male", "waist_cm": 112}])  # doctest: +SKIP
>>> films = medcore.load_model("pneumonia-transfer")  # doctest: +SKIP
>>> films.predict(["chest.dcm", "chest.png"])  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from medcore.conditions.catalog import find_condition, find_film_condition, kind_of
from medcore.conditions.condition import Condition
from medcore.conditions.film_condition import FilmCondition
from medcore.config import read_settings
from medcore.errors import ExplanationError, InputError, IntegrityError, MedcoreError, NotANumberError
from medcore.explain.saliency import FilmExplainer
from medcore.explain.tabular import Explainer
from medcore.imaging.phantom import make_phantom
from medcore.imaging.quality import film_status, header_reasons, pixel_reasons
from medcore.imaging.radiograph import Radiograph
from medcore.imaging.reader import read_image
from medcore.imaging.squash import film_tensor
from medcore.inference.eligibility import find_reasons
from medcore.inference.film_model import FILM_KIND, FilmModel
from medcore.inference.risk_model import RiskBatch, RiskModel
from medcore.records import FieldKind, PatientRecord, read_record
from medcore.records.reading import cap_value, check_possible
from medcore.registry import Catalog
from medcore.results import (
    Explanation,
    MissingValueGain,
    ModelFacts,
    Prediction,
    Reason,
    Response,
    Saliency,
    Status,
)

__all__ = ["FilmScorer", "Model", "list_models", "load_model"]

Record = PatientRecord | Mapping[str, str | float | None]
Film = Radiograph | Path | str | bytes


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

    def warm_up(self) -> None:
        """Score and explain a made-up patient, so that the first real answer is quick."""
        row = self.risk_model.cohort[0]
        self.risk_model.risk(row[None])
        self.explainer.explain(row)

    def predict(self, records: Iterable[Record]) -> tuple[Prediction, ...]:
        """Predict each record.

        Raises
        ------
        FieldError
            A value cannot be used, or two contradict each other (the first one found).
        InputError
            A record is neither a :class:`medcore.records.PatientRecord` nor a mapping.
        """
        if isinstance(records, PatientRecord | Mapping | str | bytes) or not isinstance(records, Iterable):
            raise InputError("predict takes a list of records; put a single record into a list")
        return tuple(self.predict_one(record) for record in records)

    def predict_one(self, record: Record) -> Prediction:
        """Predict one record; errors as :meth:`predict`."""
        values = self._values(record)
        return self.risk_model.predict(self._row(values), find_reasons(self.condition, values))

    def predict_rows(self, X: np.ndarray) -> RiskBatch:
        """Risks of raw rows, shape (n, n_inputs) in ``input_names`` order, NaN = blank; no applicability."""
        return self.risk_model.risk(X)

    def explain(self, record: Record, *, precision: float = 0.02) -> Explanation:
        """Explain one record by SHAP values with a worst standard error of ``precision`` (probability units).

        Raises
        ------
        FieldError, InputError
            As :meth:`predict`, or this patient's score is withheld.
        ExplanationError
            The score stands but could not be explained.
        """
        row = self._scored_row(self._values(record))
        with _explaining():
            return replace(self.explainer.explain(row, precision=precision), sha256=self.risk_model.sha256)

    def refine(self, record: Record, *, precision: float = 0.005) -> Explanation:
        """Explain one record more exactly, with the stability of its strongest fields; errors as :meth:`explain`."""
        row = self._scored_row(self._values(record))
        with _explaining():
            explanation = self.explainer.explain(row, precision=precision, stability=True)
        return replace(explanation, sha256=self.risk_model.sha256)

    def most_useful_missing(self, record: Record) -> MissingValueGain | None:
        """Return the blank field whose value could move the risk most, None if none is; errors as :meth:`explain`."""
        row = self._scored_row(self._values(record))
        with _explaining():
            return self.explainer.most_useful_missing(row)

    def respond(self, record: Record, field: str) -> Response:
        """Sweep one field over its studied range; only what it drags along moves. Not a treatment effect.

        Raises
        ------
        FieldError, InputError
            As :meth:`predict`, or the field cannot be swept, or this patient's score is withheld.
        """
        studied = self.risk_model.manifest.studied.get(field)
        if studied is None:
            raise InputError(f"{field!r} is not a number with a studied range", field=str(field))
        values = self._values(record)
        row = self._scored_row(values)

        def linked(value: float) -> dict[str, float]:
            return self.condition.linked_change(field, value, values)

        with _explaining():
            response = self.explainer.respond(row, field, studied, self._interval, linked)
        return replace(response, sha256=self.risk_model.sha256)

    def _interval(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        batch = self.risk_model.risk(X)
        return batch.p, batch.lo, batch.hi

    def _values(self, record: Record) -> dict[str, float]:
        if isinstance(record, PatientRecord):
            values = _check_values(self.condition, record.values)
        elif isinstance(record, Mapping):
            reading = read_record(self.condition.schema, record)
            if reading.errors:
                raise reading.errors[0]
            values = dict(reading.record.values)
        else:
            raise InputError("a record is a PatientRecord or a mapping of field names to values")
        for name, value in self.condition.derive(values).items():
            values.setdefault(name, value)
        contradictions = self.condition.cross_check(values).errors
        if contradictions:
            raise contradictions[0]
        return values

    def _scored_row(self, values: Mapping[str, float]) -> np.ndarray:
        """Return the input row of a patient whose score may be shown; the score itself is not computed."""
        row = self._row(values)
        applicability = self.risk_model.applicability.check(row, find_reasons(self.condition, values))
        if applicability.status is Status.WITHHELD:
            reason = applicability.reasons[0]
            raise InputError(f"the score is withheld for this patient: {reason.text}", field=reason.field)
        return row

    def _row(self, values: Mapping[str, float]) -> np.ndarray:
        return PatientRecord(values=values).to_row(self.condition.schema)


class FilmScorer:
    """A loaded film model with everything it can be asked.

    Films are :class:`medcore.imaging.Radiograph`, paths of PNG, JPEG or DICOM files, or the bytes of such a file.
    """

    def __init__(self, film_model: FilmModel, facts: ModelFacts, condition: FilmCondition) -> None:
        if film_model.network.spec.classes != condition.words or film_model.network.spec.positive != condition.positive:
            raise IntegrityError(
                f"{facts.model_id} was trained on other classes than {condition.id} has now: train it again",
                expected=", ".join(condition.words),
            )
        self.facts = facts
        self.condition = condition
        self.film_model = film_model

    @cached_property
    def explainer(self) -> FilmExplainer:
        """Heat maps and SHAP values of this model."""
        return FilmExplainer(self.film_model)

    def warm_up(self) -> None:
        """Score and explain a phantom, so that the first real answer is quick."""
        tensor = self._tensor(make_phantom(rows=300, columns=250))
        self.score(tensor[None])
        self.explain_tensor(tensor)

    def predict(self, films: Iterable[Film]) -> tuple[Prediction, ...]:
        """Predict each film; all are scored together.

        Raises
        ------
        ImageError
            A film cannot be read (the first one found); the message names the file.
        InputError
            A film is none of the kinds above.
        """
        if isinstance(films, Radiograph | Path | str | bytes) or not isinstance(films, Iterable):
            raise InputError("predict takes a list of films; put a single film into a list")
        tensors, reasons = [], []
        for film in films:
            tensor, found = self._prepare(film)
            tensors.append(tensor)
            reasons.append(found)
        return self.score(np.array(tensors), reasons) if tensors else ()

    def predict_one(self, film: Film) -> Prediction:
        """Predict one film; errors as :meth:`predict`."""
        return self.predict([film])[0]

    def explain(self, film: Film, method: str = "hirescam") -> Saliency:
        """Explain one film by a heat map (``"hirescam"``) or by SHAP values of its parts (``"shap"``).

        Raises
        ------
        ImageError, InputError
            As :meth:`predict`, or this film's score is withheld, or there is no such method.
        ExplanationError
            The score stands but could not be explained.
        """
        tensor, reasons = self._prepare(film)
        prediction = self.score(tensor[None], [reasons])[0]
        if prediction.status is Status.WITHHELD:
            withholding = [item for item in prediction.applicability.reasons if film_status([item]) is Status.WITHHELD]
            raise InputError(f"the score is withheld for this film: {withholding[0].text}", field=withholding[0].field)
        return self.explain_tensor(tensor, method)

    def score(self, tensors: np.ndarray, reasons: Sequence[tuple[Reason, ...]] | None = None) -> tuple[Prediction, ...]:
        """Predict films given as the model sees them, shape (n, size, size), with what is known against them."""
        return self.film_model.predict(tensors, reasons)

    def explain_tensor(self, tensor: np.ndarray, method: str = "hirescam") -> Saliency:
        """Explain a film given as the model sees it, whatever its status; errors as :meth:`explain`."""
        methods = {"hirescam": self.explainer.heat_map, "shap": self.explainer.shap}
        if method not in methods:
            known = ", ".join(methods)
            raise InputError(f"there is no explanation {method!r} of a film. Known are: {known}.", value=method)
        with _explaining():
            return methods[method](tensor)

    def _prepare(self, film: Film) -> tuple[np.ndarray, tuple[Reason, ...]]:
        if not isinstance(film, Radiograph):
            if not isinstance(film, Path | str | bytes):
                raise InputError("a film is a Radiograph, a path, or the bytes of a file")
            film = read_image(film)
        tensor = self._tensor(film)
        return tensor, (*header_reasons(film, self.condition.limits), *pixel_reasons(tensor))

    def _tensor(self, film: Radiograph) -> np.ndarray:
        return film_tensor(film, self.film_model.network.spec.size)


def _check_values(condition: Condition, values: Mapping[str, float]) -> dict[str, float]:
    """Return the known values of a record that was not read by us; keys that are no fields are ignored."""
    checked: dict[str, float] = {}
    for item in condition.schema.fields:
        if item.name not in values:
            continue
        value = values[item.name]
        if isinstance(value, bool) or not isinstance(value, Real):
            raise NotANumberError(f"{item.label} must be a number in a record", field=item.name, value=repr(value))
        if item.kind is FieldKind.CHOICE:
            checked[item.name] = float(item.find_choice(float(value)).code)
        else:
            checked[item.name] = cap_value(item, check_possible(item, float(value)))
    return checked


@contextmanager
def _explaining() -> Iterator[None]:
    """Let typed errors through and turn any other failure into one: the score stands without its explanation."""
    try:
        yield
    except MedcoreError:
        raise
    except Exception as error:
        raise ExplanationError(f"explanation unavailable ({type(error).__name__}); the score stands") from error


def list_models(condition: str | None = None, models_dir: Path | None = None) -> tuple[ModelFacts, ...]:
    """List the usable models (of one condition), defaults first."""
    return _catalog(models_dir).models(_condition_id(condition) if condition else None)


def _condition_id(name: str) -> str:
    return (find_film_condition if kind_of(name) == "image" else find_condition)(name).id


def load_model(model_id: str, models_dir: Path | None = None) -> Any:
    """Load one model: hashes checked, model built, self-test run.

    Returns
    -------
    Model or FilmScorer
        What answers about patients' values, or about films.

    Raises
    ------
    UnknownNameError
        There is no such model.
    ArtifactError
        The bundle is refused, with the reason.
    """
    return load_from(_catalog(models_dir), model_id)


def load_from(catalog: Catalog, model_id: str) -> Any:
    """Load one model of an opened catalog; answers and errors as :func:`load_model`."""
    facts = catalog.find(model_id)
    if facts.kind == FILM_KIND:
        return FilmScorer(FilmModel.load(catalog.bundle(model_id)), facts, find_film_condition(facts.condition))
    return Model(RiskModel.load(catalog.bundle(model_id)), facts, find_condition(facts.condition))


def _catalog(models_dir: Path | None) -> Catalog:
    return Catalog(models_dir or read_settings().models_dir)

"""Models in this process: loaded when first asked for, and again when their bundle has been replaced."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medcore.errors import ArtifactError, InputError, IntegrityError, MedcoreError
from medcore.results import Explanation, Prediction, Reason, Response, Saliency
from medcore.services.gateway import BundleCheck, ModelAnswer, RowScores

if TYPE_CHECKING:
    from medcore.explain.rows import EffectRows, ShapRows, ShuffledRows

__all__ = ["LocalGateway"]

_log = logging.getLogger(__name__)


class LocalGateway:
    """Models in this process, loaded when first asked for, and again when their bundle has been replaced.

    Methods may be called from any thread; one model is loaded by one thread, the others wait for that model only.
    ``further`` are folders of bundles beside the installed ones: loaded when asked for, never warm, never a default.
    """

    def __init__(self, models_dir: Path, *, further: Sequence[Path] = ()) -> None:
        from medcore.api import FilmScorer, Model, load_from
        from medcore.registry import Catalog
        from medcore.registry.shelves import JoinedCatalog

        self.catalog = JoinedCatalog(Catalog(models_dir), further) if further else Catalog(models_dir)
        self._load = load_from
        self._models: dict[str, Model | FilmScorer] = {}
        self._loading: dict[str, threading.Lock] = {}

    def ready(self) -> bool:
        """Say yes: there is nothing to wait for."""
        return True

    @property
    def failure(self) -> MedcoreError | None:
        """Say that nothing failed: there is no start that could."""
        return None

    def retry(self) -> None:
        """Do nothing: there is no start to ask for."""

    def warm_up(self) -> None:
        """Load every default model and ask it about a made-up patient or film, so that the first answer is quick.

        A model that cannot do this is left cold, whatever is wrong with it: asking for it says why.
        """
        for facts in self.catalog.models():
            if not facts.default:
                continue
            try:
                self._model(facts.model_id).warm_up()
            except Exception as error:  # noqa: BLE001 - one bad bundle must not stop the others
                _log.warning("%s is not warm: %s", facts.model_id, type(error).__name__)

    def predict(self, model_id: str, values: Mapping[str, float]) -> Prediction:
        """Score one patient."""
        from medcore.records import PatientRecord

        prediction: Prediction = self._table_model(model_id).predict_one(PatientRecord(values=values))
        return prediction

    def assess(self, model_id: str, values: Mapping[str, float], *, precision: float = 0.02) -> ModelAnswer:
        """Score and explain one patient."""
        return self._answer(self._table_model(model_id), values, precision)

    def refine(self, model_id: str, values: Mapping[str, float]) -> Explanation:
        """Explain one patient more exactly, with the stability of the strongest fields."""
        from medcore.records import PatientRecord

        explanation: Explanation = self._table_model(model_id).refine(PatientRecord(values=values))
        return explanation

    def respond(self, model_id: str, values: Mapping[str, float], field: str) -> Response:
        """Sweep one field."""
        from medcore.records import PatientRecord

        response: Response = self._table_model(model_id).respond(PatientRecord(values=values), field)
        return response

    def score_rows(self, model_id: str, X: np.ndarray, *, sha256: str = "") -> RowScores:
        """Score many patients at once."""
        model = self._table_model(model_id)
        if sha256 and model.facts.sha256 != sha256:
            raise ArtifactError(f"{model_id} has been replaced in the meantime: start again", field="model")
        return RowScores(p=model.risk_model.probability(X))

    def check_bundle(self, folder: Path | str) -> BundleCheck:
        """Load a table model beside the shelf and run its self-test."""
        from medcore.inference.risk_model import RiskModel
        from medcore.registry.bundle import open_bundle

        bundle = open_bundle(Path(folder))
        RiskModel.load(bundle)
        return BundleCheck(model_id=bundle.manifest.id, sha256=bundle.sha256)

    def score_films(
        self, model_id: str, tensors: np.ndarray, reasons: Sequence[tuple[Reason, ...]]
    ) -> tuple[Prediction, ...]:
        """Score films."""
        predictions: tuple[Prediction, ...] = self._film_model(model_id).score(tensors, reasons)
        return predictions

    def explain_film(self, model_id: str, tensor: np.ndarray, method: str = "hirescam") -> Saliency:
        """Explain one film."""
        saliency: Saliency = self._film_model(model_id).explain_tensor(tensor, method)
        return saliency

    def explain_rows(self, model_id: str, X: np.ndarray, *, precision: float = 0.02) -> ShapRows:
        """Explain rows."""
        from medcore.explain.rows import explain_rows

        return explain_rows(self._table_model(model_id).explainer, X, precision=precision)

    def find_effect(self, model_id: str, X: np.ndarray, column: int, grid: np.ndarray) -> EffectRows:
        """Set one field of every row to each value of a grid."""
        from medcore.explain.rows import find_effect

        return find_effect(self._table_model(model_id).risk_model, X, column, grid)

    def shuffle_field(self, model_id: str, X: np.ndarray, column: int) -> ShuffledRows:
        """Shuffle one field between rows."""
        from medcore.explain.rows import shuffle_field

        return shuffle_field(self._table_model(model_id).risk_model, X, column)

    def _table_model(self, model_id: str) -> Any:
        from medcore.api import Model

        model = self._model(model_id)
        if not isinstance(model, Model):
            raise InputError(f"{model_id} answers about films, not about a patient's values", field="model")
        return model

    def _film_model(self, model_id: str) -> Any:
        from medcore.api import FilmScorer

        model = self._model(model_id)
        if not isinstance(model, FilmScorer):
            raise InputError(f"{model_id} answers about a patient's values, not about films", field="model")
        return model

    def _model(self, model_id: str) -> Any:
        """Return the model; one whose bundle was replaced by another sound one is loaded again.

        A loaded model whose files were removed or damaged since keeps answering: what was checked is in memory.
        """
        self.catalog.refresh()
        kept = self._find_kept(model_id)
        if kept is not None:
            return kept
        with self._loading.setdefault(model_id, threading.Lock()):
            kept = self._find_kept(model_id)
            if kept is not None:
                return kept
            try:
                loaded = self._models[model_id] = self._load(self.catalog, model_id)
            except MedcoreError:
                raise
            except Exception as error:
                raise IntegrityError(f"{model_id} cannot be loaded: install the bundle again") from error
        return loaded

    def _find_kept(self, model_id: str) -> Any:
        """Return a model that is loaded and still the one on the shelf, else None."""
        kept = self._models.get(model_id)
        if kept is None:
            return None
        try:
            return kept if self.catalog.bundle(model_id).sha256 == kept.facts.sha256 else None
        except MedcoreError:
            return kept

    @staticmethod
    def _answer(model: Any, values: Mapping[str, float], precision: float) -> ModelAnswer:
        from medcore.records import PatientRecord

        record = PatientRecord(values=values)
        prediction = model.predict_one(record)
        if prediction.p_calibrated is None:
            return ModelAnswer(prediction=prediction, explanation=None, most_useful_missing=None)
        try:
            explanation = model.explain(record, precision=precision)
            gain = model.most_useful_missing(record)
        except MedcoreError as error:
            return ModelAnswer(
                prediction=prediction, explanation=None, most_useful_missing=None, explanation_error=error.message
            )
        return ModelAnswer(prediction=prediction, explanation=explanation, most_useful_missing=gain)

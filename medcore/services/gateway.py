"""Where models run: in this process (commands, Python) or in one warm child (the dashboard)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from medcore.errors import MedcoreError
from medcore.results import Explanation, MissingValueGain, Prediction, Reason, Response, Saliency
from medcore.workers import Asker, asking, background, carry, find_asker, use_finder

if TYPE_CHECKING:
    from medcore.explain.rows import EffectRows, ShapRows, ShuffledRows

__all__ = [
    "Asker",
    "BundleCheck",
    "Gateway",
    "ModelAnswer",
    "RowScores",
    "asking",
    "background",
    "carry",
    "find_asker",
    "use_finder",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAnswer:
    """What the model side says about one patient; the explanation may be missing, with the reason."""

    prediction: Prediction
    explanation: Explanation | None
    most_useful_missing: MissingValueGain | None
    explanation_error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowScores:
    """Calibrated probabilities of many patients, shape (n,)."""

    p: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleCheck:
    """A bundle that was loaded and passed its self-test."""

    model_id: str
    sha256: str


class Gateway(Protocol):
    """The model side, wherever it runs. ``values`` are canonical, blanks absent; films are tensors 0..1.

    Every method may raise a ``MedcoreError``: ``WorkerError`` when the child failed, ``BusyError`` when too many
    wait, ``MovedOnError`` when the present asker has moved on, ``InputError`` when a model of tables is asked about
    films or the other way round.
    """

    def ready(self) -> bool:
        """Whether an answer would come without waiting for the start."""

    @property
    def failure(self) -> MedcoreError | None:
        """Why there will be no answer at present; None while all is well or still starting."""

    def retry(self) -> None:
        """Ask for another start after a failure; returns at once."""

    def predict(self, model_id: str, values: Mapping[str, float]) -> Prediction:
        """Score one patient."""

    def assess(self, model_id: str, values: Mapping[str, float], *, precision: float = 0.02) -> ModelAnswer:
        """Score and explain one patient; ``precision`` is the worst standard error asked for."""

    def refine(self, model_id: str, values: Mapping[str, float]) -> Explanation:
        """Explain one patient more exactly, with the stability of the strongest fields."""

    def respond(self, model_id: str, values: Mapping[str, float], field: str) -> Response:
        """Sweep one field over its studied range."""

    def score_rows(self, model_id: str, X: np.ndarray, *, sha256: str = "") -> RowScores:
        """Score many patients at once, shape (n, n_inputs), NaN = blank. No applicability is judged.

        ``sha256`` names the bundle that must answer; another one is an ``ArtifactError``.
        """

    def check_bundle(self, folder: Path) -> BundleCheck:
        """Load the table model in a folder beside the shelf and run its self-test; raises ``ArtifactError``."""

    def score_films(
        self, model_id: str, tensors: np.ndarray, reasons: Sequence[tuple[Reason, ...]]
    ) -> tuple[Prediction, ...]:
        """Score films, float32 (n, size, size) 0..1, each with the reasons found in its header and pixels."""

    def explain_film(self, model_id: str, tensor: np.ndarray, method: str = "hirescam") -> Saliency:
        """Explain one film, (size, size): ``"hirescam"`` (heat map, quick) or ``"shap"`` (slower)."""

    def explain_rows(self, model_id: str, X: np.ndarray, *, precision: float = 0.02) -> ShapRows:
        """Return SHAP values of a few raw rows, (n, n_inputs), NaN = blank."""

    def find_effect(self, model_id: str, X: np.ndarray, column: int, grid: np.ndarray) -> EffectRows:
        """Return risks of raw rows with one input set to each value of ``grid``."""

    def shuffle_field(self, model_id: str, X: np.ndarray, column: int) -> ShuffledRows:
        """Return risks of raw rows before and after one input is shuffled between them."""

"""What the models of a condition said about the patients left out, read from their bundles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from medcore.errors import ArtifactError, InputError
from medcore.registry import Catalog
from medcore.results import ModelFacts

__all__ = ["MOST_MODELS", "StudyScores", "check_choice", "read_scores"]

MOST_MODELS = 6
"""Most models side by side: more cannot be told apart on a screen."""

_GROUP = "group_"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StudyScores:
    """What several models said about the same patients of their study.

    Attributes
    ----------
    models : tuple of ModelFacts
        In the order asked for.
    y : ndarray of int, shape (n,)
        Outcome, 0 or 1.
    p : mapping of model id to ndarray, shape (n,)
        Calibrated probabilities of patients that the answering fit never saw.
    folds : mapping of model id to ndarray, shape (n,)
        Which part was left out; empty where there were no folds.
    patients : ndarray, shape (n,), or None
        Anonymous patient of each row, where one may have several.
    attributes : mapping of str to ndarray of text, shape (n,)
        Coarse groups such as sex or age band.
    source : str
        Where the rows come from, in words.
    """

    models: tuple[ModelFacts, ...]
    y: np.ndarray
    p: Mapping[str, np.ndarray]
    folds: Mapping[str, np.ndarray] = field(default_factory=dict)
    patients: np.ndarray | None = None
    attributes: Mapping[str, np.ndarray] = field(default_factory=dict)
    source: str = ""

    @property
    def rate(self) -> float:
        """Share of rows with the outcome."""
        return float(np.mean(self.y))


def read_scores(catalog: Catalog, condition_id: str, model_ids: Sequence[str]) -> StudyScores:
    """Read what the models said about the patients left out; for films, about the test films only.

    Raises
    ------
    InputError
        No model, more than :data:`MOST_MODELS`, or a model of another condition.
    UnknownNameError, ArtifactError
        There is no such model, it is refused or brings no scores, or the models were judged on different rows.
    """
    names = tuple(dict.fromkeys(model_ids))
    check_choice(names)
    models = tuple(catalog.find(name) for name in names)
    for facts in models:
        if facts.condition != condition_id:
            raise InputError(f"{facts.model_id} does not answer {condition_id}", field="model", value=facts.model_id)
    arrays = {name: _read_arrays(catalog, name) for name in names}
    first = names[0]
    for name in names[1:]:
        if not np.array_equal(arrays[name]["y"], arrays[first]["y"]):
            raise ArtifactError(
                f"{first} and {name} were judged on different patients and cannot be compared: train both on the "
                "same data",
                field="model",
                value=name,
            )
    shown = arrays[first]
    n, films = len(shown["y"]), models[0].kind == "keras-image"
    return StudyScores(
        models=models,
        y=shown["y"].astype(np.int64),
        p={name: arrays[name]["p"].astype(np.float64) for name in names},
        folds={name: arrays[name]["fold"] for name in names if "fold" in arrays[name]},
        patients=shown.get("patient"),
        attributes={key.removeprefix(_GROUP): shown[key] for key in shown if key.startswith(_GROUP)},
        source=f"{n:,} test films"
        if films
        else f"{n:,} patients of the study, each scored by fits that had not seen them",
    )


def check_choice(names: Sequence[str]) -> None:
    """Refuse no model and more than :data:`MOST_MODELS`.

    Raises
    ------
    InputError
        There are none, or too many.
    """
    if not names:
        raise InputError("choose at least one model", field="model")
    if len(names) > MOST_MODELS:
        raise InputError(
            f"{len(names)} models are too many to tell apart: choose at most {MOST_MODELS}",
            field="model",
            value=len(names),
            expected=f"1 to {MOST_MODELS}",
        )


def _read_arrays(catalog: Catalog, model_id: str) -> dict[str, np.ndarray]:
    """Return the arrays of the rows a model is judged on, all of one length."""
    bundle = catalog.bundle(model_id)
    if "evaluation.npz" not in bundle.manifest.files:
        raise ArtifactError(f"{model_id} brings no scores to compare: train it again", field="model", value=model_id)
    arrays = bundle.read_arrays("evaluation.npz")
    n = len(arrays["y"]) if "y" in arrays and arrays["y"].ndim == 1 else 0
    if not n or any(item.shape[:1] != (n,) for item in arrays.values()) or "p" not in arrays:
        raise ArtifactError(
            f"{model_id}: its scores cannot be read: install the bundle again", field="model", value=model_id
        )
    if "part" not in arrays:
        return arrays
    chosen = arrays["part"] == "test"
    return {name: item[chosen] for name, item in arrays.items()}

"""What every tab of the compare page needs: the comparison shown, the cut-off, and the analyst's own rows if open."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import streamlit as st

from medcore.errors import MedcoreError
from medcore.evaluation.compared import Comparison
from medcore.results import ModelFacts
from medcore.services.compare.board import find_question
from medcore.services.compare.labelled import LabelledUpload
from medcore.services.house import Condition, FilmCondition, House
from medcore.services.prevalence import restate_risk
from medcore.ui.wording import as_sentence

__all__ = ["LABELLED_KEY", "Scene", "choose_model", "list_in_words", "offer_scoring", "show_sentence"]

LABELLED_KEY = "mc_labelled"
"""Session key of the uploaded, labelled rows whose comparison takes the place of the study's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One drawing of the tabs.

    ``cut_off`` is on the risks as the page shows them, that is restated for the comparison's prevalence;
    ``upload`` is the analyst's own rows where the comparison is theirs, else None; ``chosen`` are all models that were
    chosen, those among them that cannot be compared on the study's patients too.
    """

    house: House
    comparison: Comparison
    cut_off: float
    use: str
    upload: LabelledUpload | None = None
    chosen: tuple[str, ...] = ()

    @property
    def question(self) -> Condition | FilmCondition:
        """The clinical question."""
        return find_question(self.comparison.condition)

    @property
    def models(self) -> tuple[ModelFacts, ...]:
        """Models compared, best Brier score first."""
        return self.comparison.models

    @property
    def model_ids(self) -> tuple[str, ...]:
        """Their ids."""
        return tuple(facts.model_id for facts in self.models)

    @property
    def prevalence(self) -> float | None:
        """Local prevalence; None for the study's own."""
        same = math.isclose(self.comparison.prevalence, self.comparison.prevalence_study)
        return None if same else self.comparison.prevalence

    @property
    def own_cut_off(self) -> float:
        """The cut-off on the models' own risks, on the study's mix."""
        comparison = self.comparison
        return restate_risk(self.cut_off, comparison.prevalence, comparison.prevalence_study)

    @property
    def noun(self) -> str:
        """What one row is: a patient or a film."""
        return "films" if isinstance(self.question, FilmCondition) else "patients"

    def title(self, model_id: str) -> str:
        """Return a model's title."""
        return next((facts.title for facts in self.models if facts.model_id == model_id), model_id)


def choose_model(scene: Scene, label: str, key: str, model_ids: Sequence[str] | None = None) -> str:
    """Draw the choice of one of the models compared, the default first chosen, and return its id."""
    names = list(model_ids or scene.model_ids)
    defaults = [facts.model_id for facts in scene.models if facts.default and facts.model_id in names]
    if st.session_state.get(key) not in names:
        st.session_state[key] = defaults[0] if defaults else names[0]
    chosen: str = st.selectbox(label, names, format_func=scene.title, key=key)
    return chosen


def show_sentence(text: str) -> None:
    """Show one quiet sentence in the place of content."""
    st.html(f'<p class="mc-lead">{escape(text)}</p>')


def list_in_words(words: Sequence[str]) -> str:
    """Join words as a sentence does: ``"a, b and c"``.

    Examples
    --------
    >>> list_in_words(["a", "b", "c"]), list_in_words(["a"]), list_in_words([])
    ('a, b and c', 'a', '')
    """
    items = list(words)
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def offer_scoring(scene: Scene, name: str, score: Callable[..., LabelledUpload | None]) -> None:
    """Draw the button that scores the analyst's own cases and, while that goes on, its progress and *Stop*.

    Any click ends the run, and then nothing is kept. ``score`` takes the question, the models, ``prevalence`` and
    ``progress``.
    """
    start, stop = st.columns([1, 5])
    place = stop.empty()
    if start.button("Score and compare", key=f"score_{name}", type="primary"):
        place.button("Stop", key=f"stop_{name}")
        _score_with_progress(scene, score)
        place.empty()


def _score_with_progress(scene: Scene, score: Callable[..., LabelledUpload | None]) -> None:
    """Score, keep what was found and draw the page anew; say what is wrong otherwise."""
    bar = st.progress(0.0, "Starting")

    def tell(share: float, words: str) -> None:
        bar.progress(min(max(share, 0.0), 1.0), words)

    try:
        upload = score(
            scene.comparison.condition,
            scene.chosen or scene.model_ids,
            prevalence=scene.prevalence,
            progress=tell,
        )
    except MedcoreError as error:
        bar.empty()
        st.html(f'<p class="mc-error" role="alert">{escape(as_sentence(error.message))}</p>')
        return
    if upload is not None:
        st.session_state[LABELLED_KEY] = upload
        st.rerun(scope="app")

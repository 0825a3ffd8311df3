"""Comparing the models of one condition on the patients none of them was fitted to.

Everything is computed from the bundles' ``evaluation.npz``: no model is loaded and no patient identity is
involved. What was compared is kept by the bundles' hashes, so that a page may ask at every rerun.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from medcore import __version__
from medcore.access import Action, Resource, describe_actor
from medcore.conditions.catalog import find_condition, find_film_condition, list_film_conditions
from medcore.errors import InputError, MedcoreError
from medcore.evaluation.compared import Comparison
from medcore.evaluation.differences import Difference, paired_differences
from medcore.evaluation.spread import FoldSpread, fold_spread
from medcore.evaluation.subgroups import SubgroupRow
from medcore.journal import Event
from medcore.registry import Catalog
from medcore.results import ModelFacts
from medcore.services.bedside.clinic import read_form
from medcore.services.compare.group_figures import measure_groups
from medcore.services.compare.measuring import MARGIN, check_prevalence, measure
from medcore.services.compare.strengths import strengths
from medcore.services.compare.study_scores import MOST_MODELS, StudyScores, check_choice, read_scores
from medcore.services.gateway import Gateway
from medcore.services.house import House
from medcore.services.prevalence import restate_risk

__all__ = [
    "MOST_MODELS",
    "StudyScores",
    "choose_first",
    "compare_bundles",
    "differences",
    "folds",
    "list_models",
    "measure_milliseconds",
    "open_comparison",
    "read_scores",
    "strengths",
    "subgroups",
]

_FIRST_RECIPES = ("logistic", "forest")
_MOST_KEPT = 24
_N_TIMED = 3

_lock = threading.Lock()
_kept: OrderedDict[tuple[object, ...], Comparison] = OrderedDict()


def list_models(catalog: Catalog, condition_id: str) -> tuple[ModelFacts, ...]:
    """Return all usable models of a condition, the default first; none for an unknown condition."""
    return catalog.models(condition_id)


def choose_first(models: Sequence[ModelFacts]) -> tuple[str, ...]:
    """Return the ids a page starts with: the default, logistic regression and random forest; all for films."""
    ordered = sorted(models, key=lambda item: not item.default)
    films = any(item.kind == "keras-image" for item in ordered)
    chosen = [item for i, item in enumerate(ordered) if films or i == 0 or item.recipe in _FIRST_RECIPES]
    return tuple(item.model_id for item in chosen[:MOST_MODELS])


def compare_bundles(
    catalog: Catalog, condition_id: str, model_ids: Sequence[str], *, prevalence: float | None = None
) -> Comparison:
    """Put models of one condition side by side on the same patients.

    Parameters
    ----------
    catalog : Catalog
        Shelf of models.
    condition_id : str
        The clinical question.
    model_ids : sequence of str
        One to :data:`MOST_MODELS` of its models, in any order.
    prevalence : float, optional
        Share with the outcome to restate everything for, strictly between 0 and 1; by default the study's.

    Returns
    -------
    Comparison
        Sorted by Brier score. The answer for the same bundles is kept and given again at once.

    Raises
    ------
    InputError
        As :func:`read_scores`, a prevalence that cannot be, or fewer than two rows of either outcome.
    UnknownNameError, ArtifactError
        As :func:`read_scores`.

    Notes
    -----
    ``standing``: each model's AUROC is compared, on the same patients, with that of the model with the
    highest one. "Not shown to be worse" means that the lower 95 % limit of the difference lies above -.02.
    """
    shelf = [catalog.find(name) for name in dict.fromkeys(model_ids)]
    check_choice([item.model_id for item in shelf])
    check_prevalence(prevalence)
    key = (condition_id, tuple((item.model_id, item.sha256) for item in shelf), prevalence)
    with _lock:
        known = _kept.get(key)
        if known is not None:
            _kept.move_to_end(key)
    if known is None:
        known = _compare(catalog, condition_id, [item.model_id for item in shelf], prevalence)
        with _lock:
            _kept[key] = known
            while len(_kept) > _MOST_KEPT:
                _kept.popitem(last=False)
    facts = {item.model_id: item for item in shelf}
    return replace(known, models=tuple(facts[item.model_id] for item in known.models))


def open_comparison(
    house: House, condition_id: str, model_ids: Sequence[str], *, prevalence: float | None = None
) -> Comparison:
    """As :func:`compare_bundles`, written to the journal first: who compared which versions of which models.

    Raises
    ------
    StorageError
        The journal cannot be written; then nothing is shown.
    """
    house.allow(Action.VIEW, Resource.COMPARISON)
    comparison = compare_bundles(house.catalog, condition_id, model_ids, prevalence=prevalence)
    for facts in comparison.models:
        house.journal.record(
            Event(
                **describe_actor(house.actor),
                action="compare",
                outcome="shown",
                condition=condition_id,
                model_id=facts.model_id,
                sha256=facts.sha256,
                n_records=0,
                app_version=__version__,
            )
        )
    return comparison


def differences(
    catalog: Catalog,
    condition_id: str,
    model_ids: Sequence[str],
    *,
    reference: str,
    cut_off: float,
    prevalence: float | None = None,
    margin: float = MARGIN,
) -> tuple[Difference, ...]:
    """Compare every model with one reference on the same patients.

    Parameters
    ----------
    catalog, condition_id, model_ids, prevalence
        As :func:`compare_bundles`; the reference may be among the models or not.
    reference : str
        Id of the model the others are compared with.
    cut_off : float
        On the probability restated for ``prevalence``, strictly between 0 and 1.
    margin : float, default .02
        Largest accepted loss.

    Returns
    -------
    tuple of Difference
        One per model but the reference, in the order given; see
        :func:`medcore.evaluation.differences.paired_differences`.

    Raises
    ------
    InputError, UnknownNameError, ArtifactError
        As :func:`compare_bundles`, or a cut-off or margin that cannot be.
    """
    names = tuple(dict.fromkeys((*model_ids, reference)))
    if names == (reference,):
        return ()
    scores = read_scores(catalog, condition_id, names)
    return paired_differences(
        scores.y,
        scores.p,
        reference=reference,
        cut_off=cut_off,
        prevalence=prevalence,
        groups=scores.patients,
        margin=margin,
    )


def folds(catalog: Catalog, condition_id: str, model_ids: Sequence[str]) -> dict[str, dict[str, FoldSpread]]:
    """Return how each model's figures move over its cross-validation folds; models without folds are left out.

    Raises
    ------
    InputError, UnknownNameError, ArtifactError
        As :func:`compare_bundles`.
    """
    scores = read_scores(catalog, condition_id, model_ids)
    return {name: fold_spread(scores.y, scores.p[name], part) for name, part in scores.folds.items()}


def subgroups(
    catalog: Catalog,
    condition_id: str,
    model_ids: Sequence[str],
    *,
    cut_off: float,
    prevalence: float | None = None,
) -> dict[str, tuple[SubgroupRow, ...]]:
    """Measure each model within the groups of patients that the bundles name.

    Parameters
    ----------
    catalog, condition_id, model_ids
        As :func:`compare_bundles`.
    cut_off : float
        On the probability restated for ``prevalence``, in [0, 1].
    prevalence : float, optional
        What the cut-off stands for. The figures are those of the study's patients as they are: within a
        group the local share with the outcome is not known. The same patients are called either way.

    Returns
    -------
    dict of model id to tuple of SubgroupRow
        Metrics auroc, brier, calibration_intercept, sensitivity, specificity, ppv, npv; groups with fewer
        than 20 events or non-events are marked ``too_few``. Empty where the bundles name no groups.

    Raises
    ------
    InputError, UnknownNameError, ArtifactError
        As :func:`compare_bundles`, or a cut-off outside [0, 1].
    """
    check_prevalence(prevalence)
    scores = read_scores(catalog, condition_id, model_ids)
    return measure_groups(
        scores.y,
        scores.p,
        scores.attributes,
        cut_off=cut_off if prevalence is None else restate_risk(cut_off, prevalence, scores.rate),
        patients=scores.patients,
    )


def measure_milliseconds(gateway: Gateway, catalog: Catalog, model_ids: Sequence[str]) -> dict[str, float]:
    """Measure how long each model takes for one made-up patient, in milliseconds as the page experiences it.

    The median of three calls after a first one that does not count. A model that cannot be asked just
    now, or scores none of the condition's examples, is left out. For films a plain grey one is used.
    """
    found: dict[str, float] = {}
    for name in model_ids:
        try:
            ask = _make_question(gateway, catalog, name)
            found[name] = statistics.median(_time_ms(ask) for _ in range(_N_TIMED))
        except MedcoreError:
            continue
    return found


def _compare(catalog: Catalog, condition_id: str, names: Sequence[str], prevalence: float | None) -> Comparison:
    scores = read_scores(catalog, condition_id, names)
    measured = measure(scores.y, scores.p, patients=scores.patients, prevalence=prevalence)
    facts = {item.model_id: item for item in scores.models}
    n_patients = scores.y.size if scores.patients is None else np.unique(scores.patients).size
    return Comparison(
        condition=condition_id,
        source=scores.source,
        n=scores.y.size,
        n_events=int(scores.y.sum()),
        n_patients=int(n_patients),
        prevalence_study=scores.rate,
        prevalence=scores.rate if prevalence is None else prevalence,
        models=tuple(facts[name] for name in measured.order),
        board=measured.board,
        curves=measured.curves,
        standing=measured.standing,
        warnings=(*measured.warnings, *_warn_of_prevalence(condition_id, prevalence)),
        paired=measured.paired,
    )


def _warn_of_prevalence(condition_id: str, prevalence: float | None) -> tuple[str, ...]:
    """Say so where restating for another prevalence is not justified for this condition."""
    if prevalence is None:
        return ()
    films = {item.id for item in list_film_conditions()}
    policy = (find_film_condition if condition_id in films else find_condition)(condition_id).prevalence
    return () if policy.allowed else (f"Restated for another prevalence, which is doubtful here: {policy.reason}",)


def _make_question(gateway: Gateway, catalog: Catalog, model_id: str) -> Callable[[], object]:
    """Return what asks about one case that gets a score; the model has answered once by then.

    Raises
    ------
    MedcoreError
        The model cannot be asked, or scored none of the cases that were tried.
    """
    bundle = catalog.bundle(model_id)
    if bundle.manifest.kind == "keras-image":
        size = int(bundle.read_json("input.json")["size"])
        film = np.full((1, size, size), 0.5, dtype=np.float32)
        gateway.score_films(model_id, film, [()])
        return lambda: gateway.score_films(model_id, film, [()])
    condition = find_condition(bundle.manifest.condition)
    for example in condition.examples:
        values = read_form(condition, example.values, example.units).record.values
        if gateway.predict(model_id, values).p_calibrated is not None:
            return partial(gateway.predict, model_id, values)
    raise InputError(f"{model_id} scores none of the made-up patients", field="model", value=model_id)


def _time_ms(ask: Callable[[], object]) -> float:
    start = time.perf_counter()
    ask()
    return 1e3 * (time.perf_counter() - start)

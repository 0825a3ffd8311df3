"""An exploration in plain JSON types, with every word and figure the explore page draws.

Contributions and risks are in percentage points and per cent. Columns are fields, in the order of the model's inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from medcore.errors import InputError
from medcore.explain.global_shap import (
    FieldWeights,
    find_interactions,
    mean_contributions,
    rank_distance,
    shuffle_weights,
)
from medcore.explain.groups import find_groups
from medcore.records import Field, FieldKind
from medcore.services.explore.explore_studies import Origin, Study
from medcore.services.explore.exploring import Exploration

__all__ = ["CAPTION", "describe_exploration"]

CAPTION = "These are patterns in the study, not causes."
_PAIRS_SHOWN = 8
_CURVES_SHOWN = 40
_DIFFER_PLACES = 3
_TOP = 10
_GO_ALONG = 0.5
_TOLD = 3
_LEAST_POINTS = 0.5


def describe_exploration(study: Study, found: Exploration) -> dict[str, Any]:
    """Return what the page's figures need.

    Pairs and groups are empty, with the reason in ``pairs_note`` and ``groups_note``, where there are too few patients.
    """
    weights = mean_contributions(found.values)
    shuffled = shuffle_weights(found.change if found.loss is None else found.loss)
    joint, pairs_note = _find_joint(study, found)
    groups, groups_note, group = _describe_groups(study, found)
    fields = [_describe_field(item, study.X[:, j], weights, shuffled, j, joint) for j, item in enumerate(study.inputs)]
    return {
        "model": study.facts.model_id,
        "title": study.facts.title,
        "sha256": study.facts.sha256,
        "question": study.condition.title,
        "outcome": study.condition.outcome_short,
        "origin": study.origin.value,
        "made_up": study.origin is Origin.MADE_UP,
        "patients": _name_patients(study),
        "n": len(study.X),
        "base": _round(100 * found.base, 3),
        "error": _round(100 * float(np.quantile(found.standard_error.max(axis=1), 0.95)), 2),
        "fields": fields,
        "effects": [_describe_effect(effect) for effect in found.effects],
        "x": [_plain(study.X[:, j], 6) for j in range(study.X.shape[1])],
        "s": [_plain(100 * found.values[:, j], 3) for j in range(study.X.shape[1])],
        "p": _plain(100 * found.p, 2),
        "y": None if study.y is None else study.y.tolist(),
        "ids": list(study.ids),
        "pairs": _list_pairs(joint),
        "pairs_note": pairs_note,
        "groups": groups,
        "group": group,
        "groups_note": groups_note,
        "shuffle_kind": "change" if found.loss is None else "loss",
        "differences": _explain_differences(study, weights, shuffled, joint),
        "caption": CAPTION,
    }


def _name_patients(study: Study) -> str:
    n = len(study.X)
    if study.origin is Origin.MADE_UP:
        return f"{n} made-up patients"
    return f"{n} slides" if study.origin is Origin.WISCONSIN else f"{n} uploaded patients"


def _describe_field(
    item: Field, column: np.ndarray, weights: FieldWeights, shuffled: FieldWeights, j: int, joint: np.ndarray | None
) -> dict[str, Any]:
    known = column[~np.isnan(column)]
    lo, hi = np.quantile(known, [0.05, 0.95]).tolist() if len(known) else (0.0, 1.0)
    partner = int(joint[j].argmax()) if joint is not None and joint[j].max() > 0 else None
    return {
        "name": item.name,
        "label": item.label,
        "unit": _unit(item),
        "decimals": item.decimals,
        "choices": {str(choice.code): choice.label for choice in item.choices} or None,
        "blank": len(column) - len(known),
        "lo": lo,
        "hi": hi if hi > lo else lo + 1.0,
        "weight": _points(weights, j),
        "shuffle": _points(shuffled, j),
        "partner": partner,
    }


def _unit(item: Field) -> str:
    return {"C": "°C", "px2": "px²", "kg/m2": "kg/m²", "day": "", "10^9/L": "10⁹/L"}.get(item.unit, item.unit)


def _points(weights: FieldWeights, j: int) -> list[float]:
    return [_round(100 * float(part[j]), 3) for part in (weights.value, weights.lo, weights.hi)]


def _describe_effect(effect: Any) -> dict[str, Any]:
    shown = np.linspace(0, len(effect.curves) - 1, min(_CURVES_SHOWN, len(effect.curves))).astype(int)
    return {
        "grid": _plain(effect.grid, 6),
        "mean": _plain(100 * effect.mean, 2),
        "lo": _plain(100 * effect.lo, 2),
        "hi": _plain(100 * effect.hi, 2),
        "curves": [_plain(100 * curve, 1) for curve in effect.curves[shown]],
    }


def _find_joint(study: Study, found: Exploration) -> tuple[np.ndarray | None, str]:
    is_choice = np.array([item.kind is FieldKind.CHOICE for item in study.inputs])
    try:
        return find_interactions(study.X, found.values, is_choice), ""
    except InputError as error:
        return None, _sentence(error.message)


def _list_pairs(joint: np.ndarray | None) -> list[list[float]]:
    if joint is None:
        return []
    rows, columns = np.triu_indices(len(joint), 1)
    order = np.argsort(-joint[rows, columns], kind="stable")[:_PAIRS_SHOWN]
    pairs = [[int(rows[k]), int(columns[k]), _round(100 * float(joint[rows[k], columns[k]]), 2)] for k in order]
    return [pair for pair in pairs if pair[2] > 0]


def _describe_groups(study: Study, found: Exploration) -> tuple[list[dict[str, Any]], str, list[int]]:
    try:
        groups = find_groups(found.values)
    except InputError as error:
        return [], _sentence(error.message), []
    described = []
    for g in range(groups.n_groups):
        inside = groups.label == g
        described.append(
            {
                "n": int(inside.sum()),
                "p": _round(100 * float(found.p[inside].mean()), 1),
                "events": None if study.y is None else _round(100 * float(study.y[inside].mean()), 1),
                "traits": _describe_traits(study, found.values, inside),
                "apart": _round(groups.silhouette, 2),
            }
        )
    return described, "", groups.label.tolist()


def _describe_traits(study: Study, values: np.ndarray, inside: np.ndarray) -> list[str]:
    """Say in words what sets a group apart: the fields whose contributions differ most from everybody's."""
    shift = values[inside].mean(axis=0) - values.mean(axis=0)
    strongest = np.argsort(-np.abs(shift), kind="stable")[:_TOLD]
    told = [
        _describe_trait(study.inputs[j], study.X[:, j], inside)
        for j in strongest
        if 100 * abs(float(shift[j])) >= _LEAST_POINTS
    ]
    return [text for text in told if text] or ["close to the average in every field"]


def _describe_trait(item: Field, column: np.ndarray, inside: np.ndarray) -> str:
    blank = np.isnan(column)
    if blank[inside].mean() - blank.mean() > 0.25:
        return f"{item.label}: not entered in {_percent(blank[inside].mean())} (all: {_percent(blank.mean())})"
    own, everyone = column[inside & ~blank], column[~blank]
    if not len(own):
        return ""
    if item.kind is FieldKind.CHOICE:
        return _describe_choice(item, own, everyone)
    middle, usual = float(np.median(own)), float(np.median(everyone))
    if middle == usual:
        return f"{item.label}: median {_write(item, middle)}, as in all"
    if item.name == "age_years":
        word = "older" if middle > usual else "younger"
        return f"{word}: median {_write(item, middle)} (all: {_write(item, usual)})"
    word = "higher" if middle > usual else "lower"
    return f"{word} {_lower_first(item.label)}: median {_write(item, middle)} (all: {_write(item, usual)})"


def _describe_choice(item: Field, own: np.ndarray, everyone: np.ndarray) -> str:
    gaps = {
        choice.code: float((own == choice.code).mean() - (everyone == choice.code).mean()) for choice in item.choices
    }
    code = max(gaps, key=lambda key: gaps[key])
    shares = [_percent(float((rows == code).mean())) for rows in (own, everyone)]
    return f"{item.label}: {item.find_choice(code).label} in {shares[0]} (all: {shares[1]})"


def _explain_differences(
    study: Study, weights: FieldWeights, shuffled: FieldWeights, joint: np.ndarray | None
) -> list[str]:
    """Name the fields whose place by shuffling differs from that by SHAP, and say what lies behind it."""
    moved = rank_distance(weights.value, shuffled.value)
    leading = (weights.value >= np.sort(weights.value)[-min(_TOP, len(moved))]) | (
        shuffled.value >= np.sort(shuffled.value)[-min(_TOP, len(moved))]
    )
    differ = [j for j in np.argsort(-np.abs(moved), kind="stable") if abs(moved[j]) >= _DIFFER_PLACES and leading[j]]
    return [_explain_difference(study, int(j), int(moved[j]), weights, joint) for j in differ[:_TOLD]]


def _explain_difference(study: Study, j: int, moved: int, weights: FieldWeights, joint: np.ndarray | None) -> str:
    item = study.inputs[j]
    start = f"{item.label} stands {abs(moved)} places {'lower' if moved > 0 else 'higher'} by shuffling than by SHAP: "
    other, along = _closest(study.X, j)
    if along >= _GO_ALONG:
        return start + (
            f"it goes along with {study.inputs[other].label} (correlation {along:.1f} in size), and shuffling one "
            "alone makes pairs of values that hardly any patient has."
        )
    if joint is not None and joint[j].max() > weights.value[j] / 4:
        partner = study.inputs[int(joint[j].argmax())].label
        return start + f"it acts jointly with {partner}; shuffling counts a joint effect for both, SHAP shares it out."
    if moved < 0:
        return start + "few patients have a value that matters, and for them it matters much."
    return start + "its contribution is alike in most patients, so another patient's value changes little."


def _closest(X: np.ndarray, j: int) -> tuple[int, float]:
    """Return the field most correlated with field ``j`` (rank correlation in size, 0-1) where both are known."""
    best, size = j, 0.0
    for k in range(X.shape[1]):
        both = ~np.isnan(X[:, j]) & ~np.isnan(X[:, k])
        if k == j or both.sum() < 20:
            continue
        a, b = (np.argsort(np.argsort(X[both, c])).astype(float) for c in (j, k))
        if np.ptp(X[both, j]) > 0 and np.ptp(X[both, k]) > 0 and (found := abs(float(np.corrcoef(a, b)[0, 1]))) > size:
            best, size = k, found
    return best, size


def _write(item: Field, value: float) -> str:
    text = item.format(value)
    return (text.removesuffix(item.unit) + _unit(item)).strip() if item.unit else text


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _lower_first(text: str) -> str:
    return text if text[1:2].isupper() or text[1:2].isdigit() else text[:1].lower() + text[1:]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _plain(column: np.ndarray, decimals: int) -> list[float | None]:
    rounded: Sequence[float] = np.round(np.asarray(column, dtype=np.float64), decimals).tolist()
    return [None if value != value else value for value in rounded]


def _round(value: float, decimals: int) -> float:
    return round(float(value), decimals)

"""One patient through several models: each risk, each explanation, and where the models disagree.

Every model is asked through the doctor's use case (:mod:`medcore.services.bedside.clinic`), so limits of the
population, withheld states and the journal are the same as on the risk page.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medcore.access import Action, Resource
from medcore.conditions.condition import Condition
from medcore.errors import ArtifactError, MedcoreError, MissingFieldError, StorageError
from medcore.records import Field, Role
from medcore.registry import Catalog
from medcore.results import Explanation, Interval, ModelFacts, Prediction, whole_percent
from medcore.services.bedside import clinic
from medcore.services.bedside.clinic import FormReading
from medcore.services.house import House, find_condition
from medcore.services.trust.activation import make_activation

__all__ = [
    "Agreement",
    "MadeUpPatient",
    "PatientView",
    "SamePatient",
    "assess_all",
    "assess_each",
    "compare_explanations",
    "find_disagreements",
    "list_made_up",
    "put_together",
    "read_values",
]

_TOP = 5
_DESCRIBED = 4
_SAME = 1e-12
_SPEAK_FOR_THEMSELVES = frozenset({"age_years", "sex", "disease_group"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeUpPatient:
    """One of a bundle's made-up patients: ``number`` from 1, canonical ``values``, one line in words."""

    number: int
    values: Mapping[str, float]
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientView:
    """What one model says about the patient; ``problem`` is why it says nothing."""

    facts: ModelFacts
    prediction: Prediction | None = None
    explanation: Explanation | None = None
    problem: str = ""

    @property
    def p(self) -> float | None:
        """Calibrated risk (0-1); None when withheld or failed."""
        return None if self.prediction is None else self.prediction.p_calibrated

    @property
    def interval(self) -> Interval | None:
        """Interval of the risk; None when withheld or failed."""
        return None if self.prediction is None else self.prediction.interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How alike two models explain one patient.

    ``spearman`` is the rank correlation (-1..1) of their signed contributions over all fields, NaN where one
    has no variation; ``n_shared`` of the ``n_top`` strongest fields are the same.
    """

    first: str
    second: str
    spearman: float
    n_shared: int
    n_top: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SamePatient:
    """One patient through several models; ``disagreements`` are sentences for the reader."""

    condition: str
    views: tuple[PatientView, ...]
    agreements: tuple[Agreement, ...]
    disagreements: tuple[str, ...]


def list_made_up(catalog: Catalog, model_id: str) -> tuple[MadeUpPatient, ...]:
    """Return the made-up patients of a bundle, in its order.

    Raises
    ------
    ArtifactError
        The bundle holds none, or not in the model's columns.
    """
    bundle = catalog.bundle(model_id)
    if "cohort.npz" not in bundle.manifest.files:
        raise ArtifactError(f"{model_id} holds no made-up patients", field="cohort.npz")
    condition = find_condition(bundle.manifest.condition)
    fields = condition.schema.inputs
    rows = np.asarray(bundle.read_arrays("cohort.npz").get("X", np.empty((0, 0))), dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != len(fields):
        raise ArtifactError(f"{model_id}: the made-up patients do not have the model's columns", field="cohort.npz")
    return tuple(_make_patient(number, row, fields) for number, row in enumerate(rows, start=1))


def read_values(condition: Condition, values: Mapping[str, float]) -> FormReading:
    """Read canonical values as the form reads typed ones.

    Questions that decide who fits, and that no model reads, are answered so that the patient fits: a
    made-up patient was drawn from those who do.
    """
    known = dict(values)
    open_questions = [
        item
        for item in condition.schema.fields
        if item.role is Role.QUESTION and item.name not in known and item.choices
    ]
    for item in open_questions:
        known[item.name] = _answer_that_fits(condition, item, known)
    return clinic.read_form(condition, {name: repr(float(value)) for name, value in known.items()})


def assess_each(
    house: House, condition_id: str, model_ids: Sequence[str], reading: FormReading
) -> Iterator[PatientView]:
    """Ask one model after the other and yield each answer as it comes; each is journalled first.

    A model that cannot be read, fails or withholds is one of the answers, with its reason.

    Raises
    ------
    MissingFieldError
        A required field is blank: no model can be asked.
    StorageError
        The journal cannot be written, so nothing may be shown.
    """
    house.allow(Action.VIEW, Resource.COMPARISON)
    for model_id in model_ids:
        facts = house.catalog.find(model_id)
        try:
            answer = clinic.assess(
                condition_id,
                model_id,
                reading,
                actor=house.actor,
                journal=house.journal,
                gateway=house.gateway,
                catalog=house.catalog,
                activation=make_activation(house, comparing=True),
            )
        except (MissingFieldError, StorageError):
            raise
        except MedcoreError as error:
            yield PatientView(facts=facts, problem=error.message)
            continue
        reasons = " ".join(reason.text for reason in answer.prediction.applicability.reasons)
        withheld = answer.prediction.p_calibrated is None
        yield PatientView(
            facts=facts,
            prediction=answer.prediction,
            explanation=answer.explanation,
            problem=reasons if withheld else (answer.explanation_error or ""),
        )


def assess_all(
    house: House, condition_id: str, model_ids: Sequence[str], values: Mapping[str, float], *, cut_off: float
) -> SamePatient:
    """Assess one patient (canonical values) with all models; errors as :func:`assess_each`."""
    reading = read_values(find_condition(condition_id), values)
    return put_together(condition_id, tuple(assess_each(house, condition_id, model_ids, reading)), cut_off=cut_off)


def put_together(condition_id: str, views: Sequence[PatientView], *, cut_off: float) -> SamePatient:
    """Compare the answers; ``cut_off`` (0-1) is where a patient counts as called."""
    return SamePatient(
        condition=condition_id,
        views=tuple(views),
        agreements=compare_explanations(views),
        disagreements=find_disagreements(views, cut_off),
    )


def compare_explanations(views: Sequence[PatientView]) -> tuple[Agreement, ...]:
    """Compare the explanations of every pair of models.

    References
    ----------
    Krishna S et al. The disagreement problem in explainable machine learning. Trans Mach Learn Res 2024
    (feature agreement of the top k, rank correlation).
    """
    explained = [(view.facts.title, view.explanation) for view in views if view.explanation is not None]
    return tuple(
        _compare_pair(first, one, second, other)
        for (first, one), (second, other) in itertools.combinations(explained, 2)
    )


def find_disagreements(views: Sequence[PatientView], cut_off: float) -> tuple[str, ...]:
    """Say where models disagree: some call the patient and others do not, or two ranges lie apart."""
    known = [(view.facts.title, view.p, view.interval) for view in views if view.p is not None]
    sentences = []
    above = [title for title, p, _ in known if p is not None and p >= cut_off]
    below = [title for title, p, _ in known if p is not None and p < cut_off]
    if above and below:
        sentences.append(
            f"The models fall on two sides of the cut-off of {whole_percent(cut_off)} %: "
            f"{_join(above)} at or above, {_join(below)} below."
        )
    apart = [
        (first, second)
        for (first, _, one), (second, _, other) in itertools.combinations(known, 2)
        if one is not None and other is not None and (one.hi < other.lo or other.hi < one.lo)
    ]
    sentences += [f"The ranges of {first} and {second} do not overlap." for first, second in apart]
    return tuple(sentences)


def _make_patient(number: int, row: np.ndarray, fields: Sequence[Field]) -> MadeUpPatient:
    values = {item.name: float(value) for item, value in zip(fields, row, strict=True) if np.isfinite(value)}
    shown = [item for item in fields if item.in_form]
    known = [item for item in shown if item.name in values]
    words = [_describe(item, values[item.name]) for item in known[:_DESCRIBED]]
    line = f"{', '.join(words)}; {len(known)} of {len(shown)} fields known" if words else "all fields blank"
    return MadeUpPatient(number=number, values=values, line=line)


def _describe(item: Field, value: float) -> str:
    """Write one value in a few words; age and sex speak for themselves, the rest keeps its field's name."""
    try:
        text = item.format(value)
    except MedcoreError:
        return f"{item.label}: not readable"
    return text if item.name in _SPEAK_FOR_THEMSELVES else f"{item.label} {text}"


def _answer_that_fits(condition: Condition, item: Field, values: Mapping[str, float]) -> float:
    for choice in item.choices:
        reasons = condition.population_limits({**values, item.name: float(choice.code)})
        if not any(reason.field == item.name for reason in reasons):
            return float(choice.code)
    return float(item.choices[0].code)


def _compare_pair(first: str, one: Explanation, second: str, other: Explanation) -> Agreement:
    names = sorted(one.contributions.keys() & other.contributions.keys())
    a = np.array([one.contributions[name] for name in names])
    b = np.array([other.contributions[name] for name in names])
    top = min(_TOP, len(names))
    return Agreement(
        first=first,
        second=second,
        spearman=_spearman(a, b),
        n_shared=len(set(_strongest(one, names, top)) & set(_strongest(other, names, top))),
        n_top=top,
    )


def _strongest(explanation: Explanation, names: Sequence[str], top: int) -> list[str]:
    return sorted(names, key=lambda name: (-abs(explanation.contributions[name]), name))[:top]


def _spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Rank correlation with average ranks for ties; NaN below two values or without variation."""
    if a.size < 2:
        return float("nan")
    x, y = _ranks(a), _ranks(b)
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > _SAME else float("nan")


def _ranks(values: np.ndarray) -> np.ndarray:
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: np.ndarray = (last - (counts - 1) / 2)[codes]
    return ranks


def _join(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"

"""The board paper: collects its facts from a comparison and prints them in a helper process, journalled first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np

from medcore import __version__
from medcore.access import Action, Resource, describe_actor
from medcore.conditions.condition import CardText
from medcore.errors import InputError, MedcoreError, UnknownChoiceError, UnknownNameError
from medcore.evaluation.compared import Band, Comparison, CutOffTable, ModelCurves
from medcore.evaluation.subgroups import SubgroupRow
from medcore.journal import Event
from medcore.reports.paper_facts import BoardPaper, PaperCurve, PaperFigure, PaperGroup, PaperModel, to_json
from medcore.results import MetricValue, ModelFacts
from medcore.services.compare.blank_rows import BY_COUNT, find_blank_rows
from medcore.services.compare.comparing import subgroups
from medcore.services.compare.cut_offs import find_locked
from medcore.services.house import Condition, FilmCondition, House, find_condition, find_film_condition
from medcore.services.house import list_film_conditions as _list_film_conditions
from medcore.services.prevalence import restate_risk
from medcore.workers import Limits, Worker

__all__ = [
    "collect_board_paper",
    "describe_groups",
    "find_question",
    "make_board_paper",
    "name_attribute",
    "name_group",
    "read_table",
    "say_too_few",
]

_METRICS = ("auroc", "auprc", "brier", "calibration_slope", "calibration_intercept")
_BLANKS = "blanks"
_UNKNOWN = MetricValue(value=math.nan, lo=math.nan, hi=math.nan)
_LIMITS = Limits(memory_bytes=2 * 1024**3, cpu_s=30, request_s=60.0, start_s=60.0, answer_bytes=16 * 1024**2)
_NO_BLANKS = (
    "Not known from the bundle: it keeps outcomes and risks, not which inputs were missing. Upload labelled patients "
    "of your own on the compare page to see it."
)


def find_question(condition_id: str) -> Condition | FilmCondition:
    """Return the question of this id, about a table or about films.

    Raises
    ------
    UnknownNameError
        There is none.
    """
    films = {item.id for item in _list_film_conditions()}
    return find_film_condition(condition_id) if condition_id in films else find_condition(condition_id)


def read_table(table: CutOffTable, cut_off: float) -> Mapping[str, MetricValue]:
    """Return sensitivity, specificity and net benefit (per patient) at a cut-off, between the table's own linearly."""

    def at(name: str) -> float:
        return float(np.interp(cut_off, table.cut_off, getattr(table, name)))

    return {
        name: MetricValue(value=at(name), lo=at(f"{name}_lo"), hi=at(f"{name}_hi"))
        for name in ("sensitivity", "specificity", "net_benefit")
    }


def describe_groups(rows: Sequence[SubgroupRow], question: Condition | FilmCondition) -> tuple[PaperGroup, ...]:
    """Write subgroups as they stand on the paper."""
    return tuple(
        PaperGroup(
            attribute=name_attribute(row.attribute, question),
            group=name_group(row.attribute, row.group, question),
            n=row.n,
            n_events=row.n_events,
            auroc=_figure(row.metrics.get("auroc", _UNKNOWN)),
            sensitivity=_figure(row.metrics.get("sensitivity", _UNKNOWN)),
            specificity=_figure(row.metrics.get("specificity", _UNKNOWN)),
            grey=say_too_few(row),
        )
        for row in rows
    )


def name_attribute(attribute: str, question: Condition | FilmCondition) -> str:
    """Write what patients are divided by: the field's label, or the name without underscores."""
    if isinstance(question, Condition) and attribute in question.schema:
        return question.schema[attribute].label
    return attribute.replace("_", " ")


def name_group(attribute: str, group: str, question: Condition | FilmCondition) -> str:
    """Write a group in words: a choice's label; ``small`` is what small groups were put together as."""
    if group == "small":
        return "small groups together"
    if isinstance(question, Condition) and attribute in question.schema and question.schema[attribute].choices:
        try:
            return question.schema[attribute].find_choice(group).label
        except UnknownChoiceError:
            return group
    return group.replace("_", " ")


def say_too_few(row: SubgroupRow) -> str:
    """Say why a group must not be read; empty where it may."""
    if not row.too_few:
        return ""
    if row.n_events <= row.n_non_events:
        return f"too few: {row.n_events} with the outcome"
    return f"too few: {row.n_non_events} without the outcome"


def collect_board_paper(
    house: House,
    comparison: Comparison,
    *,
    model_id: str,
    cut_off: float,
    use: str,
    groups: Sequence[SubgroupRow] | None = None,
    blanks: Sequence[SubgroupRow] = (),
    at: datetime | None = None,
) -> BoardPaper:
    """Collect what stands on the paper.

    Parameters
    ----------
    house : House
        Shelf of models and data folder.
    comparison : Comparison
        What the page shows.
    model_id : str
        The model that is proposed; one of the comparison's.
    cut_off : float
        Strictly between 0 and 1.
    use : str
        ``"find cases"`` or ``"rule out"``.
    groups, blanks : sequences of SubgroupRow, optional
        The proposed model in subgroups and by missing inputs, where they were measured on uploaded patients;
        without them those of the bundle.
    at : datetime, optional
        When the paper is made; now by default.

    Raises
    ------
    UnknownNameError
        The model is not in the comparison.
    InputError
        The cut-off is not strictly between 0 and 1.
    """
    names = [facts.model_id for facts in comparison.models]
    if model_id not in names:
        raise UnknownNameError(
            f"{model_id} is not among the models compared: {', '.join(names)}", field="model", value=model_id
        )
    if not 0.0 < cut_off < 1.0:
        raise InputError(f"a cut-off of {cut_off:g} is not strictly between 0 and 1", field="cut_off", value=cut_off)
    question = find_question(comparison.condition)
    models = sorted(comparison.models, key=lambda facts: facts.model_id != model_id)
    measured = _measure_groups(house, comparison, model_id, cut_off) if groups is None else tuple(groups)
    by_blanks = tuple(blanks) or tuple(row for row in measured if row.attribute == _BLANKS)
    if not by_blanks and groups is None:
        known = find_blank_rows(house.catalog, comparison.condition, [model_id]).get(model_id, ())
        by_blanks = tuple(row for row in known if row.attribute == BY_COUNT)
    curves = comparison.curves[model_id]
    card: CardText = question.card
    return BoardPaper(
        title=question.title,
        purpose=card.purpose,
        population=card.population,
        not_covered=card.not_for,
        limits=card.limits,
        source=_as_sentence(comparison.source),
        use=use,
        cut_off=cut_off,
        prevalence=comparison.prevalence,
        prevalence_study=comparison.prevalence_study,
        n=comparison.n,
        n_events=comparison.n_events,
        n_patients=comparison.n_patients,
        models=tuple(_describe_model(comparison, facts, cut_off) for facts in models),
        calibration=_curve(curves.calibration),
        bins=tuple((row.mean_p, row.observed, row.lo, row.hi) for row in curves.bins),
        histogram_edges=tuple(map(float, curves.histogram.edges)),
        histogram=tuple(map(float, curves.histogram.events + curves.histogram.others)),
        groups=describe_groups([row for row in measured if row.attribute != _BLANKS], question),
        groups_text="The bundle names no groups of patients." if not measured else "",
        blanks=describe_groups(by_blanks, question),
        blanks_text="" if by_blanks else _explain_no_blanks(question),
        warnings=comparison.warnings,
        locked=_describe_lock(
            house, model_id, restate_risk(cut_off, comparison.prevalence, comparison.prevalence_study)
        ),
        made_at=(at or datetime.now(UTC)).strftime("%Y-%m-%d %H:%M UTC"),
        made_by=f"Medcore {__version__}",
    )


def make_board_paper(house: House, facts: BoardPaper) -> bytes:
    """Print the paper in a helper process and return the PDF; written to the journal first.

    Raises
    ------
    StorageError
        The journal cannot be written; then nothing is printed.
    WorkerError
        The helper process failed.
    """
    house.allow(Action.EXPORT, Resource.COMPARISON)
    model = facts.models[0]
    house.journal.record(
        Event(
            **describe_actor(house.actor),
            action="board_paper",
            outcome="printed",
            condition=house.catalog.find(model.model_id).condition,
            model_id=model.model_id,
            sha256=model.sha256,
            n_records=0,
            app_version=__version__,
        )
    )
    worker = Worker("medcore.reports.paper_child:make_handler", name="paper printer", limits=_LIMITS)
    try:
        _, blobs = worker.request("board_paper", to_json(facts))
    finally:
        worker.close()
    return blobs[0]


def _measure_groups(house: House, comparison: Comparison, model_id: str, cut_off: float) -> tuple[SubgroupRow, ...]:
    same = math.isclose(comparison.prevalence, comparison.prevalence_study)
    found = subgroups(
        house.catalog,
        comparison.condition,
        [model_id],
        cut_off=cut_off,
        prevalence=None if same else comparison.prevalence,
    )
    return found.get(model_id, ())


def _describe_model(comparison: Comparison, facts: ModelFacts, cut_off: float) -> PaperModel:
    curves: ModelCurves = comparison.curves[facts.model_id]
    table, ill = curves.table, 1000 * comparison.prevalence
    found = read_table(table, cut_off)
    sensitivity, specificity, benefit = found["sensitivity"], found["specificity"], found["net_benefit"]
    board = comparison.board[facts.model_id]
    return PaperModel(
        model_id=facts.model_id,
        title=facts.title,
        version=facts.version,
        sha256=facts.sha256,
        standing=comparison.standing.get(facts.model_id, ""),
        board={name: _figure(board[name]) for name in _METRICS if name in board},
        found=_scale(sensitivity, ill),
        missed=_rest(sensitivity, ill),
        false_alarms=_rest(specificity, 1000 - ill),
        net_benefit=_scale(benefit, 1000),
        decision=PaperCurve(
            x=tuple(map(float, table.cut_off)),
            y=tuple(map(float, 1000 * table.net_benefit)),
            lo=tuple(map(float, 1000 * table.net_benefit_lo)),
            hi=tuple(map(float, 1000 * table.net_benefit_hi)),
        ),
    )


def _scale(share: MetricValue, n: float) -> PaperFigure:
    return PaperFigure(value=n * share.value, lo=n * share.lo, hi=n * share.hi)


def _rest(share: MetricValue, n: float) -> PaperFigure:
    """Return those a share leaves over, among ``n``."""
    return PaperFigure(value=n * (1 - share.value), lo=n * (1 - share.hi), hi=n * (1 - share.lo))


def _figure(metric: MetricValue) -> PaperFigure:
    return PaperFigure(value=float(metric.value), lo=float(metric.lo), hi=float(metric.hi))


def _curve(band: Band) -> PaperCurve:
    return PaperCurve(
        x=tuple(map(float, band.x)),
        y=tuple(map(float, band.y)),
        lo=tuple(map(float, band.lo)),
        hi=tuple(map(float, band.hi)),
    )


def _describe_lock(house: House, model_id: str, cut_off: float) -> str:
    """Say whether this cut-off, on the model's own risks, is the one that is locked."""
    try:
        locked = find_locked(house, model_id)
    except MedcoreError as error:
        return f"Locked cut-off: {error.message}"
    if locked is None:
        return "This cut-off is not locked."
    if not locked.holds:
        return f"Not locked: {locked.refusal}"
    if not math.isclose(locked.cut_off, cut_off, abs_tol=5e-4):
        return f"The cut-off locked for this model is another one ({100 * locked.cut_off:.1f} %)."
    return f"Locked for this version of the model on {locked.at_utc[:10]} by {locked.actor}."


def _explain_no_blanks(question: Condition | FilmCondition) -> str:
    return "A film has no missing inputs." if isinstance(question, FilmCondition) else _NO_BLANKS


def _as_sentence(text: str) -> str:
    words = text.strip()
    words = words[:1].upper() + words[1:]
    return words if words.endswith(".") else f"{words}."

"""What stands on a board paper: plain frozen facts that can be handed to another process.

Nothing here draws or computes. Probabilities are fractions in [0, 1], counts are per 1,000 patients; a limit
that cannot be given is NaN.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from medcore.errors import InputError

__all__ = ["BoardPaper", "PaperCurve", "PaperFigure", "PaperGroup", "PaperModel", "from_json", "to_json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperFigure:
    """One figure with its 95 % interval."""

    value: float
    lo: float
    hi: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperCurve:
    """A curve with its pointwise 95 % band; four tuples of one length."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    lo: tuple[float, ...]
    hi: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperModel:
    """One model of the paper.

    Attributes
    ----------
    model_id, title, version, sha256, standing : str
        Identity and how it stands against the others, in words.
    board : mapping of metric name to PaperFigure
        auroc, auprc, brier, calibration_slope, calibration_intercept.
    found, missed, false_alarms, net_benefit : PaperFigure
        Per 1,000 patients at the paper's prevalence and cut-off.
    decision : PaperCurve
        x = cut-off, y = net benefit per 1,000.
    """

    model_id: str
    title: str
    version: str
    sha256: str
    standing: str
    board: dict[str, PaperFigure]
    found: PaperFigure
    missed: PaperFigure
    false_alarms: PaperFigure
    net_benefit: PaperFigure
    decision: PaperCurve


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperGroup:
    """The proposed model within one group of patients; ``grey`` says why it must not be read."""

    attribute: str
    group: str
    n: int
    n_events: int
    auroc: PaperFigure
    sensitivity: PaperFigure
    specificity: PaperFigure
    grey: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardPaper:
    """Everything on the paper; the first of ``models`` is the one proposed.

    Attributes
    ----------
    title, purpose, population, not_covered, limits, source : str
        In words for the board; ``source`` is where the patients come from.
    use : str
        ``"find cases"`` or ``"rule out"``.
    cut_off : float
        A patient is called at or above; strictly between 0 and 1.
    prevalence, prevalence_study : float
        Share with the outcome that the counts stand for; that of the study.
    n, n_events, n_patients : int
        Rows, rows with the outcome, distinct patients.
    calibration : PaperCurve
        Of the proposed model: x = predicted, y = observed.
    bins : tuple of (mean_p, observed, lo, hi)
        The same in tenths of the patients.
    histogram_edges, histogram : tuples
        Patients per bin of the proposed model's probability: b + 1 edges, b counts.
    groups, blanks : tuples of PaperGroup
        Subgroups; the same by missing inputs. ``groups_text`` and ``blanks_text`` say why there are none.
    warnings : tuple of str
        What must be known first.
    locked : str
        Whether this cut-off is locked for the proposed model, in words.
    made_at : str
        Time in UTC, as it shall be printed.
    made_by : str
        Program and version.
    """

    title: str
    purpose: str
    population: str
    not_covered: str
    limits: str
    source: str
    use: str
    cut_off: float
    prevalence: float
    prevalence_study: float
    n: int
    n_events: int
    n_patients: int
    models: tuple[PaperModel, ...]
    calibration: PaperCurve
    bins: tuple[tuple[float, float, float, float], ...]
    histogram_edges: tuple[float, ...]
    histogram: tuple[float, ...]
    groups: tuple[PaperGroup, ...] = ()
    groups_text: str = ""
    blanks: tuple[PaperGroup, ...] = ()
    blanks_text: str = ""
    warnings: tuple[str, ...] = ()
    locked: str = ""
    made_at: str = ""
    made_by: str = ""

    def __post_init__(self) -> None:
        if not self.models:
            raise InputError("a board paper needs at least one model", field="models")
        for name in ("cut_off", "prevalence"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise InputError(
                    f"{name} {getattr(self, name):g} is not strictly between 0 and 1", field=name, expected="0..1"
                )


_ADAPTER: TypeAdapter[BoardPaper] = TypeAdapter(BoardPaper)


def to_json(paper: BoardPaper) -> dict[str, Any]:
    """Return the facts in plain JSON types (NaN as Python's ``nan``)."""
    return asdict(paper)


def from_json(raw: object) -> BoardPaper:
    """Read the facts back.

    Raises
    ------
    InputError
        They are incomplete or of the wrong type.
    """
    try:
        return _ADAPTER.validate_python(raw)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise InputError(f"the facts of the board paper are wrong at {where!r}", field=where) from error

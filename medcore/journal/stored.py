"""What the journal keeps beside events: frozen, typed results. Times are UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

__all__ = [
    "Draft",
    "NewAssessment",
    "NewVerdict",
    "OperatingPoint",
    "Patient",
    "SavedAssessment",
    "SavedImage",
    "SavedOutcome",
    "SavedVerdict",
    "SiteSetting",
    "Who",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Who acts: the account, the role it acts in, and the public number of its session."""

    actor: str
    role: str = ""
    session: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """A patient under a pseudonym.

    ``identifiers`` maps a kind (``mrn``, ``name``, ``birth_date``) to its text; empty once erased. ``version``
    goes up with every change.
    """

    pseudonym: str
    identifiers: Mapping[str, str] = field(default_factory=dict, repr=False)
    made_up: bool = False
    created_at: datetime
    changed_at: datetime
    erased_at: datetime | None = None
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAssessment:
    """One result to be saved.

    ``inputs`` are in the field's own unit, which ``units`` names (UCUM); ``result`` and ``applicability``
    hold what was shown, as JSON values. ``idempotency_key`` is drawn once per form: saving twice with it
    stores one assessment.
    """

    condition: str
    model_id: str
    sha256: str
    status: str
    inputs: Mapping[str, float] = field(repr=False)
    units: Mapping[str, str] = field(default_factory=dict)
    result: Mapping[str, object] = field(default_factory=dict, repr=False)
    applicability: Mapping[str, object] = field(default_factory=dict, repr=False)
    app_version: str = ""
    pseudonym: str | None = None
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedAssessment:
    """One saved result. After its patient was erased ``readable`` is False and what it held is empty."""

    id: str
    pseudonym: str | None
    condition: str
    model_id: str
    sha256: str
    status: str
    inputs: Mapping[str, float] = field(default_factory=dict, repr=False)
    units: Mapping[str, str] = field(default_factory=dict)
    result: Mapping[str, object] = field(default_factory=dict, repr=False)
    applicability: Mapping[str, object] = field(default_factory=dict, repr=False)
    app_version: str = ""
    actor: str = ""
    created_at: datetime
    readable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedImage:
    """Facts about a saved image; ``n_bytes`` of the image itself, before encryption."""

    id: str
    pseudonym: str | None
    assessment_id: str | None
    media_type: str
    file_name: str = field(repr=False)
    n_bytes: int
    actor: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVerdict:
    """What a reader thought before and after the model's answer.

    ``opinion`` is ``yes``, ``no`` or ``unsure``, ``p_reader`` the probability (0-1) where a slider was used;
    ``response`` is ``accepted``, ``overridden`` or empty while the answer is unread (the feedback words of CDS
    Hooks); ``reason`` why it was overridden, ``reason_code`` the same as a word of a closed list. ``called`` says
    whether the answer reached the cut-off ``threshold`` (0-1), which both opinion and answer are compared with.
    ``revised`` marks an opinion that was given for other values of the same case. ``repeats`` is the number of a
    verdict that was stored without a patient and is this one: its film was assigned to the patient later. Times say
    when the case was opened, the opinion given, the answer shown and the response given.
    """

    assessment_id: str
    opinion: str
    p_reader: float | None = None
    response: str = ""
    reason: str = field(default="", repr=False)
    reason_code: str = ""
    called: bool | None = None
    threshold: float | None = None
    revised: bool = False
    repeats: str = ""
    opened_at: datetime | None = None
    committed_at: datetime | None = None
    revealed_at: datetime | None = None
    responded_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedVerdict:
    """A stored verdict, with the model it was about; ``verdict`` is None after its patient was erased."""

    id: str
    assessment_id: str
    condition: str
    model_id: str
    sha256: str
    actor: str
    created_at: datetime
    verdict: NewVerdict | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedOutcome:
    """Whether what was assessed came true, as somebody recorded it; None after its patient was erased."""

    id: str
    assessment_id: str
    condition: str
    model_id: str
    sha256: str
    actor: str
    created_at: datetime
    outcome: bool | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSetting:
    """What a site has settled under a name: a JSON value, by whom and when; ``version`` goes up with every change."""

    name: str
    value: Any
    actor: str
    changed_at: datetime
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """A cut-off (probability 0-1) of exactly one model bundle, and who chose it why."""

    condition: str
    model_id: str
    sha256: str
    name: str
    threshold: float
    reason: str = ""
    actor: str = ""
    changed_at: datetime | None = None
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A form that is not finished; ``version`` 0 = never stored."""

    id: str
    condition: str
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    pseudonym: str | None = None
    actor: str = ""
    changed_at: datetime | None = None
    version: int = 0

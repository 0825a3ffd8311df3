"""Which models may give scores at this site: activated for exactly one bundle, and not recalled.

Outside a demo a model is off for clinicians and radiologists until an administrator has signed a local validation
of exactly this bundle, or has put it on trust with a reason. A new bundle has another hash, so it is off again.
A recalled bundle gives no score to anybody.
"""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from medcore.access import Action, Resource, who_is
from medcore.errors import InputError, MedcoreError, ModelOffError
from medcore.journal import Journal, SiteSetting
from medcore.results import ModelFacts

if TYPE_CHECKING:
    from medcore.services.compare.labelled import LabelledUpload
    from medcore.services.house import House

__all__ = [
    "ENOUGH_EVENTS",
    "Activation",
    "LocalValidation",
    "ModelState",
    "describe_problem",
    "hand_over",
    "list_validations",
    "make_activation",
    "parse_count",
    "parse_figure",
    "read_state",
    "sign",
    "sign_on_trust",
    "switch_off",
]

ACTIVATION = "activation:"
RECALL = "recall:"
VALIDATION = "validation:"

ENOUGH_EVENTS = 100
"""Fewer with the outcome, or without it, say little about calibration (Collins 2016, doi:10.1002/sim.6787)."""

MOST_TEXT = 500
_FEWEST_REASON = 10
_FIGURES = ("auroc", "brier", "calibration_slope", "calibration_intercept")
_KEPT_ACTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalValidation:
    """What is known of a bundle on this site's own patients.

    ``figures`` maps a name (``auroc``, ``brier``, ...) to value, lower and upper end of the 95 % interval, the ends
    None where they are not known; ``done_on`` is an ISO date; ``reference`` says where the report is kept.
    """

    n: int
    n_events: int
    figures: Mapping[str, tuple[float, float | None, float | None]] = field(default_factory=dict)
    done_on: str
    done_by: str
    reference: str

    @property
    def is_small(self) -> bool:
        """Whether there are too few patients with or without the outcome to say much."""
        return min(self.n_events, self.n - self.n_events) < ENOUGH_EVENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelState:
    """Whether a bundle may give scores, and why. ``version`` is that of the stored activation, 0 = none.

    ``basis`` is ``validated`` or ``trust`` while the bundle is activated, else empty; ``problem`` is a sentence for the
    clinician where there is no score, else empty; ``acts`` are the signatures and withdrawals so far, oldest first.
    """

    sha256: str
    activated: bool
    recalled: bool
    problem: str = ""
    basis: str = ""
    validation: LocalValidation | None = None
    reason: str = ""
    actor: str = ""
    changed_at: datetime | None = None
    version: int = 0
    acts: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """The site's word about its models; asked at every score.

    ``required`` is off in a demo and on the command line: there a model needs no signature. A recall always counts.
    """

    journal: Journal
    required: bool = False

    def find(self, sha256: str) -> ModelState:
        """Return the state of one bundle.

        Raises
        ------
        StorageError
            The journal cannot be read, so nothing can be said.
        """
        recall, signature = self.journal.site.get(RECALL + sha256), self.journal.site.get(ACTIVATION + sha256)
        state = _read_signature(sha256, signature)
        if recall is not None and recall.value["recalled"]:
            problem = (
                f"This model was recalled on {recall.changed_at:%d %b %Y}: {recall.value['reason'].rstrip('.')}. "
                "It gives no score until an administrator lifts the recall."
            )
            return replace(state, recalled=True, problem=problem)
        if self.required and not state.activated:
            problem = (
                "This model is not in use at this site. An administrator has to sign a local validation for it first "
                "(page Site, Settings)."
            )
            return replace(state, problem=problem)
        return state

    def require(self, sha256: str) -> None:
        """Return if the bundle may give scores.

        Raises
        ------
        ModelOffError
            It may not; the message says why and who can change it.
        StorageError
            The journal cannot be read.
        """
        problem = self.find(sha256).problem
        if problem:
            raise ModelOffError(problem, field="model")


def make_activation(house: House, *, comparing: bool = False) -> Activation:
    """Return what counts for whoever acts in this house.

    ``comparing`` is for the pages that put models side by side: an analyst may ask a model there before it is signed.
    """
    required = house.access is not None and not house.settings.demo
    if required and comparing:
        required = "analyst" not in house.actor.roles
    return Activation(journal=house.journal, required=required)


def describe_problem(house: House, sha256: str) -> str:
    """Return why a bundle gives no score to whoever acts now, in words; empty where it does."""
    try:
        return make_activation(house).find(sha256).problem
    except MedcoreError as error:
        return error.message


def read_state(house: House, sha256: str) -> ModelState:
    """Return the state of a bundle for the pages about models; everybody may see it."""
    house.allow(Action.VIEW, Resource.MODEL)
    return make_activation(house).find(sha256)


def hand_over(house: House, upload: LabelledUpload, model_id: str) -> LocalValidation:
    """Keep an analyst's figures on local patients for the administrator to sign; no patient is kept.

    Raises
    ------
    AccessDeniedError
        Only an analyst may.
    InputError
        The upload was not scored by this model.
    """
    actor = house.allow(Action.EXPORT, Resource.TABLE)
    scored = {item.model_id: item.sha256 for item in upload.comparison.models}
    if model_id not in scored or model_id not in upload.p:
        raise InputError(f"the file was not scored by {model_id}: score it again with this model", field="model")
    board = upload.comparison.board[model_id]
    validation = LocalValidation(
        n=len(upload.y),
        n_events=int(upload.y.sum()),
        figures={name: _spell_metric(board[name]) for name in _FIGURES if math.isfinite(board[name].value)},
        done_on=house.journal.now().date().isoformat(),
        done_by=actor.name,
        reference=f"Compare page, file {upload.fingerprint[:12]}",
    )
    sha256 = scored[model_id]
    house.journal.site.put(
        f"{VALIDATION}{sha256}:{secrets.token_hex(4)}",
        asdict(validation),
        version=0,
        by=who_is(actor),
        action="hand_over_validation",
        outcome="saved",
        model_id=model_id,
        sha256=sha256,
    )
    return validation


def list_validations(house: House, sha256: str) -> tuple[LocalValidation, ...]:
    """Return what analysts handed over about a bundle, newest first."""
    house.allow(Action.VIEW, Resource.SITE)
    found = house.journal.site.list(f"{VALIDATION}{sha256}:")
    return tuple(_to_validation(item.value) for item in sorted(found, key=lambda item: item.changed_at, reverse=True))


def sign(house: House, facts: ModelFacts, validation: LocalValidation, *, version: int) -> ModelState:
    """Activate exactly this bundle on a local validation, in the actor's name.

    Raises
    ------
    AccessDeniedError
        Only an administrator may.
    InputError
        The validation lacks something.
    EditConflictError
        Somebody else changed the activation since.
    """
    return _store(house, facts, version, "activate_model", "validated", validation=_check(house, validation))


def sign_on_trust(house: House, facts: ModelFacts, reason: str, *, version: int) -> ModelState:
    """Activate exactly this bundle without local data, in the actor's name and with the reason given.

    Raises
    ------
    AccessDeniedError, EditConflictError
        As :func:`sign`.
    InputError
        The reason has fewer than 10 characters.
    """
    return _store(house, facts, version, "activate_model", "trust", reason=check_reason(reason))


def switch_off(house: House, facts: ModelFacts, reason: str, *, version: int) -> ModelState:
    """Withdraw the activation of a bundle: no score for clinicians and radiologists from now on."""
    return _store(house, facts, version, "deactivate_model", "off", reason=check_reason(reason))


def check_reason(reason: str) -> str:
    """Return a reason on one line.

    Raises
    ------
    InputError
        It has fewer than 10 or more than 500 characters.
    """
    text = re.sub(r"\s+", " ", reason).strip()
    if not _FEWEST_REASON <= len(text) <= MOST_TEXT:
        raise InputError(f"Say why in {_FEWEST_REASON} to {MOST_TEXT} characters.", field="reason")
    return text


def parse_count(text: str, name: str) -> int:
    """Return a typed whole number, ``1,200`` included.

    Raises
    ------
    InputError
        It is none.
    """
    plain = text.replace(",", "").replace(" ", "")
    if not plain.isascii() or not plain.isdigit():
        raise InputError(f"{name}: type a whole number.", field="validation")
    return int(plain)


def parse_figure(text: str, name: str) -> float:
    """Return a typed number.

    Raises
    ------
    InputError
        It is none, or not finite.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{name}: type a number such as 0.81.", field="validation")
    return value


def add_act(house: House, before: Any, act: str, reason: str) -> list[dict[str, str]]:
    """Return the acts so far and a new one, the oldest dropped beyond 50."""
    at = house.journal.now().isoformat(timespec="seconds")
    acts = list(before["acts"]) if before else []
    return [*acts, {"act": act, "reason": reason, "by": house.actor.name, "at": at}][-_KEPT_ACTS:]


def _store(
    house: House,
    facts: ModelFacts,
    version: int,
    action: str,
    basis: str,
    *,
    validation: LocalValidation | None = None,
    reason: str = "",
) -> ModelState:
    actor = house.allow(Action.MANAGE, Resource.MODEL)
    before = house.journal.site.get(ACTIVATION + facts.sha256)
    value = {
        "basis": "" if basis == "off" else basis,
        "reason": reason,
        "validation": asdict(validation) if validation else None,
        "model_id": facts.model_id,
        "condition": facts.condition,
        "acts": add_act(house, before.value if before else None, basis, reason),
    }
    kept = house.journal.site.put(
        ACTIVATION + facts.sha256,
        value,
        version=version,
        by=who_is(actor),
        action=action,
        outcome=basis,
        condition=facts.condition,
        model_id=facts.model_id,
        sha256=facts.sha256,
    )
    return _read_signature(facts.sha256, kept)


def _check(house: House, validation: LocalValidation) -> LocalValidation:
    texts = {"who did it": validation.done_by, "where its report is": validation.reference}
    for name, text in texts.items():
        if not 0 < len(text.strip()) <= MOST_TEXT or not text.isprintable():
            raise InputError(f"Say {name}, in at most {MOST_TEXT} characters on one line.", field="validation")
    if not 0 < validation.n_events < validation.n:
        raise InputError(
            "A validation needs patients with and without the outcome: 0 < with the outcome < all.", field="validation"
        )
    try:
        done = date.fromisoformat(validation.done_on)
    except ValueError as error:
        raise InputError("Give the day of the validation as year-month-day.", field="validation") from error
    if done > house.journal.now().date():
        raise InputError("The validation lies in the future.", field="validation")
    auroc = validation.figures.get("auroc")
    if auroc is None or not 0.0 <= auroc[0] <= 1.0:
        raise InputError("Give the AUROC that was found, between 0 and 1.", field="validation")
    return validation


def _read_signature(sha256: str, found: SiteSetting | None) -> ModelState:
    if found is None:
        return ModelState(sha256=sha256, activated=False, recalled=False)
    value = found.value
    return ModelState(
        sha256=sha256,
        activated=bool(value["basis"]),
        recalled=False,
        basis=value["basis"],
        validation=_to_validation(value["validation"]) if value["validation"] else None,
        reason=value["reason"],
        actor=found.actor,
        changed_at=found.changed_at,
        version=found.version,
        acts=tuple(value["acts"]),
    )


def _to_validation(raw: Mapping[str, Any]) -> LocalValidation:
    figures = {name: (value[0], value[1], value[2]) for name, value in raw["figures"].items()}
    return LocalValidation(**{**raw, "figures": figures})


def _spell_metric(metric: Any) -> tuple[float, float | None, float | None]:
    low, high = (float(end) if math.isfinite(end) else None for end in (metric.lo, metric.hi))
    return float(metric.value), low, high

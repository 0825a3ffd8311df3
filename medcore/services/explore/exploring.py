"""The analyst's use case "explore": the model is asked about many patients, step by step, watched and cancellable."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from medcore import __version__
from medcore.access import Action, Actor, Resource, authorize, describe_actor
from medcore.errors import InputError, MedcoreError
from medcore.evaluation.discrimination import auroc
from medcore.explain.rows import EffectRows
from medcore.journal import Event, Journal
from medcore.records import Field, FieldKind
from medcore.services.explore.explore_studies import Origin, Study
from medcore.services.gateway import Gateway

__all__ = ["Exploration", "ExploreJob", "Note", "explore"]

_CURVES = 60
_GRID = 15
_STEP_S = 0.5
_MOST_AT_ONCE = 25
_MOST_SHUFFLED = 500
_UNSEEN_S = 60.0

Note = Callable[[float, str], None]
"""Told after every step: share done (0-1) and what is being done."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exploration:
    """Everything the model was asked about a study's patients; probability units.

    Attributes
    ----------
    values, standard_error : float arrays, shape (n, n_inputs)
        SHAP values and their standard errors.
    p : float array, shape (n,)
    base : float
        Average risk the contributions are counted from.
    effects : tuple of EffectRows
        One per input, in order.
    change : float array, shape (n_repeats, n_inputs)
        Mean absolute change of the risk when the input is shuffled.
    loss : float array, shape (n_repeats, n_inputs), optional
        AUROC lost when the input is shuffled, where outcomes are known.
    """

    values: np.ndarray
    standard_error: np.ndarray
    p: np.ndarray
    base: float
    effects: tuple[EffectRows, ...]
    change: np.ndarray
    loss: np.ndarray | None = None


def explore(study: Study, gateway: Gateway, *, note: Note = lambda _share, _text: None) -> Exploration:
    """Ask the model everything, in small steps so that other requests slip in between.

    A step takes about half a second; one patient or one curve of an attention network takes one to three.

    ``note`` may raise to end the work.

    Raises
    ------
    WorkerError
        The model process failed.
    """
    model_id, X, n_fields = study.facts.model_id, study.X, len(study.inputs)
    n_steps = len(X) + 2 * n_fields
    values, errors, p, base = _explain(study, gateway, note, n_steps)
    some = X[np.linspace(0, len(X) - 1, min(_CURVES, len(X))).astype(int)]
    effects = []
    for j, item in enumerate(study.inputs):
        note((len(X) + j) / n_steps, f"curve of {item.label}")
        effects.append(gateway.find_effect(model_id, some, j, _grid(item, X[:, j])))
    rows = slice(0, _MOST_SHUFFLED)
    y = None if study.y is None else study.y[rows]
    shuffled = []
    for j, item in enumerate(study.inputs):
        note((len(X) + n_fields + j) / n_steps, f"shuffling {item.label}")
        shuffled.append(gateway.shuffle_field(model_id, X[rows], j))
    judged = y is not None and 0 < int(y.sum()) < len(y)
    return Exploration(
        values=values,
        standard_error=errors,
        p=p,
        base=base,
        effects=tuple(effects),
        change=np.column_stack([np.abs(item.shuffled - item.p).mean(axis=1) for item in shuffled]),
        loss=np.column_stack([[auroc(y, item.p) - auroc(y, q) for q in item.shuffled] for item in shuffled])
        if judged and y is not None
        else None,
    )


def _explain(
    study: Study, gateway: Gateway, note: Note, n_steps: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    parts = []
    done, step = 0, 2
    while done < len(study.X):
        note(done / n_steps, f"patient {done + 1} of {len(study.X)}")
        began = time.monotonic()
        parts.append(gateway.explain_rows(study.facts.model_id, study.X[done : done + step]))
        done += len(parts[-1].p)
        per_row = max((time.monotonic() - began) / len(parts[-1].p), 1e-3)
        step = max(1, min(_MOST_AT_ONCE, int(_STEP_S / per_row)))
    return (
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.standard_error for part in parts]),
        np.concatenate([part.p for part in parts]),
        float(parts[0].base),
    )


def _grid(item: Field, column: np.ndarray) -> np.ndarray:
    """Return the values a field is set to: codes that occur, or up to 15 from the 2.5th to the 97.5th percentile."""
    known = column[~np.isnan(column)]
    if item.kind is FieldKind.CHOICE:
        return np.unique(known) if len(known) else np.array([float(choice.code) for choice in item.choices])
    if not len(known):
        lo, hi = item.plausible or item.possible or (0.0, 1.0)
        return np.linspace(lo, hi, _GRID)
    levels = np.unique(known)
    if len(levels) <= _GRID and item.decimals == 0:
        return levels
    lo, hi = np.quantile(known, [0.025, 0.975]).tolist()
    return np.unique(np.linspace(lo, hi, _GRID))


class _CancelledError(Exception):
    """The work was given up."""


@dataclass(slots=True, kw_only=True)
class ExploreJob:
    """One exploration at work in a thread of its own, watched by a page.

    It ends by itself when nobody has looked at it for a minute. ``result`` or ``error`` is set at the end,
    neither when it was cancelled. ``save`` keeps results about made-up patients; one about uploaded patients is
    in the journal before it is set.
    """

    study: Study
    gateway: Gateway
    journal: Journal
    actor: Actor
    save: Callable[[Exploration], None]
    result: Exploration | None = None
    error: MedcoreError | None = None
    share: float = 0.0
    text: str = "waiting"
    _cancelled: threading.Event = field(default_factory=threading.Event)
    _seen: float = field(default_factory=time.monotonic)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; returns at once."""
        _authorize(self.actor, self.study)
        self._thread = threading.Thread(target=self._run, name="explore", daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """Give the work up after the present step."""
        self._cancelled.set()

    def running(self) -> bool:
        """Whether it is still at work; asking keeps it alive."""
        self._seen = time.monotonic()
        return self._thread is not None and self._thread.is_alive()

    def wait(self, timeout_s: float) -> None:
        """Wait for the end."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            found = explore(self.study, self.gateway, note=self._note)
            if self.study.origin is Origin.UPLOAD:
                self.journal.record(_event(self.study, self.actor))
            else:
                self.save(found)
            self.result = found
        except _CancelledError:
            return
        except MedcoreError as error:
            self.error = error
        except Exception as error:  # noqa: BLE001 - a thread that dies silently would leave the page waiting
            self.error = InputError(f"these patients could not be explained ({type(error).__name__})")

    def _note(self, share: float, text: str) -> None:
        if self._cancelled.is_set() or time.monotonic() - self._seen > _UNSEEN_S:
            raise _CancelledError
        self.share, self.text = share, text


def _authorize(actor: Actor, study: Study) -> None:
    own = study.origin is Origin.UPLOAD
    authorize(actor, Action.ASSESS if own else Action.VIEW, Resource.TABLE if own else Resource.COMPARISON)


def _event(study: Study, actor: Actor) -> Event:
    return Event(
        **describe_actor(actor),
        action="explore_file",
        outcome="explained",
        condition=study.facts.condition,
        model_id=study.facts.model_id,
        sha256=study.facts.sha256,
        input_hash=study.key,
        n_records=len(study.X),
        app_version=__version__,
    )

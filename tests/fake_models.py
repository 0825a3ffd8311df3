"""Stand-ins for the model side: a shelf and a gateway that answer at once with made-up figures."""

import math
from dataclasses import replace
from pathlib import Path

from actors import TESTER

from medcore.config import read_settings
from medcore.errors import ArtifactError, InputError, UnknownNameError
from medcore.journal import Journal
from medcore.records import FieldKind
from medcore.results import (
    Applicability,
    Explanation,
    Interval,
    MetricValue,
    MissingValueGain,
    ModelFacts,
    Prediction,
    Reason,
    Response,
    Status,
)
from medcore.services.films.worklist import FilmMemory
from medcore.services.gateway import ModelAnswer
from medcore.services.house import DefaultChoice, House, find_condition, list_conditions

SHA = "ab12cd" + "0" * 58
CARD = "# Made-up model\n\n## Purpose\nTests only.\n\n## Population\nNobody.\n"


def make_facts(condition_id, suffix="logistic", default=True):
    return ModelFacts(
        model_id=f"{condition_id}-{suffix}",
        condition=condition_id,
        title=f"Made-up {suffix}",
        recipe=suffix,
        kind="tabular",
        version="1.2",
        sha256=SHA,
        created="2026-01-01",
        default=default,
        trained_on={"device": "cpu", "seed": 1},
        metrics={"auroc": MetricValue(value=0.8123, lo=0.79, hi=0.83), "brier": MetricValue(value=0.2, lo=0.1, hi=0.3)},
        thresholds={"even": 0.5},
        base_rate=0.46,
        n_train=1000,
    )


class FakeCatalog:
    """A shelf with two models for every condition; ``problems`` and ``studied`` can be set."""

    models_dir = Path("no-such-folder")

    def __init__(self, problems=None, studied=None, empty=False):
        self.problems = dict(problems or {})
        self._studied = studied or {}
        self._empty = empty

    def models(self, condition=None):
        if self._empty:
            return ()
        ids = [item.id for item in list_conditions() if condition in (None, item.id)]
        return tuple(make_facts(i, s, d) for i in ids for s, d in (("logistic", True), ("mlp", False)))

    def refresh(self):
        return False

    def bundle(self, model_id):
        raise ArtifactError(f"{model_id} is made up: it has no files")

    def choice(self, condition):
        if self._empty:
            return None
        chosen, others = self.models(condition)
        return DefaultChoice(
            model=chosen.model_id,
            sha256=chosen.sha256,
            brier=0.1234,
            highest_auroc=others.model_id,
            non_inferior=(chosen.model_id, others.model_id),
        )

    def default(self, condition):
        if self._empty:
            raise UnknownNameError(f"there is no usable model for {condition!r}")
        return self.models(condition)[0]

    def holds(self, name):
        return any(facts.model_id == name for facts in self.models())

    def find(self, model_id):
        for facts in self.models():
            if facts.model_id == model_id:
                return facts
        raise UnknownNameError(f"there is no model {model_id!r}")

    def card(self, model_id):
        return CARD

    def studied(self, model_id):
        return self._studied


class FakeGateway:
    """Answers with a risk that rises with every mark above the middle of a field's usual range."""

    def __init__(self, *, ready=True, status=Status.SCORED, wide=False, explanation_error=None, error=None):
        self.is_ready, self.status, self.wide = ready, status, wide
        self.explanation_error, self.error = explanation_error, error
        self.calls, self.refined = [], 0
        self.failure, self.retried = None, 0
        self.refine_error = None

    def ready(self):
        return self.is_ready

    def retry(self):
        self.retried += 1

    def assess(self, model_id, values, *, precision=0.02):
        self.calls.append(dict(values))
        if self.error is not None:
            raise self.error
        condition = find_condition(model_id.rsplit("-", 1)[0])
        inputs = [item for item in condition.schema.inputs if item.in_form]
        applicability = self._applicability(inputs, values)
        if self.status is Status.WITHHELD:
            prediction = self._prediction(condition, model_id, applicability, None, None)
            return ModelAnswer(prediction=prediction, explanation=None, most_useful_missing=None)
        contributions = {item.name: _pull(item, values.get(item.name), i) for i, item in enumerate(inputs)}
        p = min(0.97, max(0.02, 0.46 + sum(contributions.values())))
        half = 0.2 if self.wide else 0.08
        interval = Interval(lo=max(0.0, p - half), hi=min(1.0, p + half))
        explanation = Explanation(
            base=0.46,
            contributions=contributions,
            standard_error=dict.fromkeys(contributions, 0.004),
            p_calibrated=p,
            n_coalitions=256,
        )
        blank = next((item.name for item in inputs if item.name not in values), None)
        gain = MissingValueGain(field=blank, p_lo=max(0.0, p - 0.05), p_hi=min(1.0, p + 0.06)) if blank else None
        return ModelAnswer(
            prediction=self._prediction(condition, model_id, applicability, p, interval),
            explanation=None if self.explanation_error else explanation,
            most_useful_missing=gain,
            explanation_error=self.explanation_error,
        )

    def refine(self, model_id, values):
        self.refined += 1
        if self.refine_error is not None:
            raise self.refine_error
        explanation = self.assess(model_id, values).explanation
        self.calls.pop()
        return replace(explanation, n_coalitions=1024, top_stability=0.92)

    def predict(self, model_id, values):
        return self.assess(model_id, values).prediction

    def score_films(self, model_id, tensors, reasons):
        raise InputError(f"{model_id} answers about a patient's values, not about films", field="model")

    def respond(self, model_id, values, field):
        condition = find_condition(model_id.rsplit("-", 1)[0])
        item = condition.schema[field]
        lo, hi = item.possible
        xs = tuple(lo + (hi - lo) * i / 40 for i in range(41))
        p = tuple(1 / (1 + math.exp(-4 * (i / 40 - 0.5))) for i in range(41))
        return Response(
            field=field,
            values=xs,
            p=p,
            lo=tuple(max(0.0, v - 0.08) for v in p),
            hi=tuple(min(1.0, v + 0.08) for v in p),
            measured=values.get(field),
            noise_sd=item.noise_at(values.get(field, 0.0)),
        )

    def _applicability(self, inputs, values):
        reasons = ()
        if self.status is not Status.SCORED:
            reasons = (Reason(code="outside_studied", text="Pulse 190 /min is above the values studied (45-112)."),)
        known = sum(item.name in values for item in inputs)
        return Applicability(status=self.status, reasons=reasons, n_known=known, n_fields=len(inputs))

    def _prediction(self, condition, model_id, applicability, p, interval):
        return Prediction(
            condition=condition.id,
            model_id=model_id,
            sha256=SHA,
            applicability=applicability,
            p_calibrated=p,
            interval=interval,
        )


def make_house(folder, *, catalog=None, gateway=None, reader=None, environ=None):
    return House(
        settings=read_settings(environ or {}),
        catalog=catalog or FakeCatalog(),
        journal=Journal(folder),
        gateway=gateway or FakeGateway(),
        reader=reader,
        film_memory=FilmMemory(200),
        who=lambda: TESTER,
    )


def _pull(item, value, index):
    if value is None:
        return -0.004 if index % 3 else 0.006
    if item.kind is FieldKind.CHOICE:
        return 0.03 if value else -0.03
    lo, hi = item.usual_for(None)
    middle = ((lo if lo is not None else hi) + (hi if hi is not None else lo)) / 2 if (lo, hi) != (None, None) else 50.0
    return max(-0.15, min(0.15, 0.12 * (value - middle) / middle)) if middle else 0.01

"""A complete, valid bundle made in a second from invented rows, for tests that need some model and no training data."""

import io
import json
from pathlib import Path

import numpy as np
import skops.io

from medcore.conditions.catalog import find_condition
from medcore.encoding import Encoding
from medcore.inference.applicability import fit_applicability
from medcore.inference.calibrator import Calibrator, Line
from medcore.inference.scores import LinearScores
from medcore.models.classical import LogisticPlan, fit_logistic
from medcore.records import FieldKind
from medcore.registry import Manifest, write_bundle
from medcore.registry.manifest import FORMAT, describe_field

N_ROWS = 400
N_REFITS = 8


def draw_rows(schema, rng, n=N_ROWS):
    """Invent rows: numbers anywhere in the possible range, any choice, one value in ten blank."""
    columns = [_draw_column(item, rng, n) for item in schema.inputs]
    X = np.column_stack(columns)
    X[rng.random(X.shape) < 0.1] = np.nan
    required = [j for j, item in enumerate(schema.inputs) if item.required]
    X[:, required] = np.column_stack(columns)[:, required]
    return X


def _draw_column(item, rng, n):
    if item.kind is FieldKind.CHOICE:
        return rng.choice([choice.code for choice in item.choices], size=n).astype(float)
    return rng.uniform(*(item.possible or (0.0, 1.0)), size=n)


def write_tiny_bundle(models_dir, condition_id="diabetes", *, seed=7):
    """Write a logistic bundle of a condition and make it the default; returns the sealed bundle."""
    rng = np.random.default_rng(seed)
    condition = find_condition(condition_id)
    X = draw_rows(condition.schema, rng)
    y = (rng.random(len(X)) < 1 / (1 + np.exp(-_standardise(X[:, 0])))).astype(int)
    encoding = Encoding.of(condition.schema)
    parts = {
        "main": [_fit(encoding, X, y, np.ones(len(X)))],
        "refits": [_fit(encoding, X, y, rng.multinomial(len(X), [1 / len(X)] * len(X))) for _ in range(N_REFITS)],
    }
    scores = LinearScores(parts, encoding)
    line = Line(slope=1.0, intercept=0.0)
    calibrator = Calibrator(main=line, refits=(line,) * N_REFITS)
    applicability = fit_applicability(X, condition.schema, np.arange(len(X)) % 5)
    cohort = draw_rows(condition.schema, rng, 200)
    background = {"background": cohort[:50], "background_weight": np.full(50, 1 / 50)}
    contents = {
        "model.skops": skops.io.dumps(parts),
        "calibrator.json": json.dumps(calibrator.to_json()).encode(),
        "reference.npz": _npz(**background, **applicability.to_arrays()),
        "cohort.npz": _npz(X=cohort, made_up=np.array(1)),
        "golden.json": json.dumps(_answer(cohort[:3], scores, calibrator)).encode(),
        "card.md": b"# A made-up model for tests\n",
    }
    manifest = _describe(condition, encoding, X, y)
    bundle = write_bundle(Path(models_dir) / manifest.id, manifest, contents)
    defaults = Path(models_dir) / "defaults.json"
    known = json.loads(defaults.read_text()) if defaults.exists() else {}
    defaults.write_text(json.dumps({**known, condition.id: {"model": manifest.id}}))
    return bundle


def _standardise(column):
    known = np.where(np.isnan(column), np.nanmean(column), column)
    return (known - known.mean()) / max(known.std(), 1e-9)


def _fit(encoding, X, y, weight):
    plan = LogisticPlan(inverse_penalty=1.0)
    return list(fit_logistic(encoding.encode(X, blank=np.nan), y.astype(float), weight.astype(float), plan))


def _answer(rows, scores, calibrator):
    score = scores.main(rows)
    p = calibrator.probability(score)
    lo, hi = calibrator.interval(score, scores.refits(rows))
    return {
        "rows": [[None if value != value else value for value in row] for row in rows.tolist()],
        "p": p.tolist(),
        "lo": np.minimum(lo, p).tolist(),
        "hi": np.maximum(hi, p).tolist(),
    }


def _describe(condition, encoding, X, y):
    numbers = [(j, item) for j, item in enumerate(condition.schema.inputs) if item.kind is FieldKind.NUMBER]
    return Manifest(
        format=FORMAT,
        id=f"{condition.id}-logistic",
        condition=condition.id,
        title="Logistic regression",
        kind="skops",
        recipe="logistic",
        version="0.0.1",
        created="2026-01-01",
        frameworks={},
        trained_on={"device": "made up"},
        schema=[describe_field(item) for item in condition.schema.inputs],
        encoding=encoding.to_json(),
        studied={item.name: tuple(np.nanpercentile(X[:, j], [1, 99]).tolist()) for j, item in numbers},
        operating_points={"default": 0.5},
        metrics={"auroc": {"value": 0.7, "lo": 0.6, "hi": 0.8}, "ppv": {"value": 0.5, "lo": None, "hi": None}},
        base_rate=float(y.mean()),
        n_train=len(y),
    )


def _npz(**arrays):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()

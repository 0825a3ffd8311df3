"""Comparisons of invented models on invented patients, for tests of what is drawn from them."""

import numpy as np

from medcore.evaluation.compared import Comparison
from medcore.evaluation.curves import board, default_cut_offs, draw_curves
from medcore.evaluation.paired_calls import pair_calls
from medcore.results import ModelFacts

RECIPES = ("mlp", "logistic", "forest", "svm", "attention", "cnn")


def make_facts(recipe, **changes):
    parts = {
        "model_id": f"invented-{recipe}", "condition": "invented", "title": f"Invented {recipe} (test)",
        "recipe": recipe, "kind": "tabular", "version": "1.0", "sha256": f"{RECIPES.index(recipe) + 10:02x}" * 32,
        "created": "2026-01-01", "default": recipe == "mlp", "trained_on": {"device": "CPU", "seconds": 2.5},
        "metrics": {}, "thresholds": {}, "base_rate": 0.3, "n_train": 500,
    }  # fmt: skip
    return ModelFacts(**{**parts, **changes})


def make_scores(n=600, rate=0.3, n_models=3, seed=5):
    """Outcomes, and calibrated probabilities of models that know less and less."""
    rng = np.random.default_rng(seed)
    truth = np.log(rate / (1 - rate)) + 1.6 * rng.standard_normal(n)
    y = rng.random(n) < 1 / (1 + np.exp(-truth))
    return y, [1 / (1 + np.exp(-(truth + 0.4 * k * rng.standard_normal(n)))) for k in range(n_models)]


def make_comparison(n=600, rate=0.3, n_models=3, prevalence=None, **changes):
    y, scores = make_scores(n, rate, n_models)
    models = tuple(make_facts(recipe) for recipe in RECIPES[:n_models])
    rng = np.random.default_rng(1)
    figures = {
        facts.model_id: (board(y, p, prevalence=prevalence, rng=rng), draw_curves(y, p, prevalence=prevalence))
        for facts, p in zip(models, scores, strict=True)
    }
    parts = {
        "condition": "invented", "source": "invented patients", "n": y.size, "n_events": int(y.sum()),
        "n_patients": y.size, "prevalence_study": float(y.mean()),
        "prevalence": float(y.mean()) if prevalence is None else prevalence, "models": models,
        "board": {name: pair[0] for name, pair in figures.items()},
        "curves": {name: pair[1] for name, pair in figures.items()},
        "paired": pair_calls(
            y, {facts.model_id: p for facts, p in zip(models, scores, strict=True)}, default_cut_offs(),
            prevalence=prevalence,
        ),
        "standing": {facts.model_id: "best Brier" for facts in models[:1]},
    }  # fmt: skip
    return Comparison(**{**parts, **changes})

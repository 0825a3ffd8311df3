"""The classical three: logistic regression, a kernel machine on made-up centres, a forest in little bags.

Each learner takes encoded rows with NaN where a number is blank, and sample weights; targets may be
fractions (then a row counts as both classes, in proportion).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

__all__ = [
    "ForestPlan",
    "KernelPlan",
    "LogisticPlan",
    "draw_blanks",
    "fill_blanks",
    "find_fill",
    "fit_forest",
    "fit_kernel_machine",
    "fit_kernel_map",
    "fit_logistic",
    "hide_fields",
    "split_fractions",
    "standardise",
]

_LEAST_EIGENVALUE = 1e-4
_LEAST_DISTANCE = 0.01  # standard deviations, between a centre and the nearest patient
_SVC_INTERCEPT_SCALE = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogisticPlan:
    """L2-penalised logistic regression; ``inverse_penalty`` is scikit-learn's C."""

    inverse_penalty: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelPlan:
    """RBF kernel machine: ``gamma`` is divided by the number of columns; at most ``centers`` k-means centres.

    A centre stands for at least ``least_cluster`` different patients and lies on none of them, so that no
    patient is in the model.
    """

    gamma: float
    inverse_penalty: float
    centers: int = 300
    least_cluster: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestPlan:
    """Random forest of ``bags`` x ``trees_per_bag`` trees; each bag grows on one half of the patients."""

    bags: int = 50
    trees_per_bag: int = 5
    least_leaf: int = 5
    most_leaves: int = 64
    features: str | float = "sqrt"


def standardise(scaler: StandardScaler, Z: np.ndarray) -> np.ndarray:
    """Centre and scale observed values; a blank (NaN) becomes 0, the mean of the observed."""
    return np.asarray(np.nan_to_num(scaler.transform(Z), copy=False))


def fit_logistic(
    Z: np.ndarray, target: np.ndarray, weight: np.ndarray, plan: LogisticPlan
) -> tuple[StandardScaler, LogisticRegression]:
    """Fit a scaler and a logistic regression on its output.

    Parameters
    ----------
    Z : array, shape (n, width)
        Encoded rows, NaN where a number is blank.
    target, weight : arrays, shape (n,)
        Target in [0, 1]; weight >= 0.
    """
    scaler = _fit_scaler(Z, weight)
    rows, labels, counts = split_fractions(standardise(scaler, Z), target, weight)
    model = LogisticRegression(C=plan.inverse_penalty, solver="newton-cholesky", max_iter=200)
    model.fit(rows, labels, sample_weight=counts)
    return scaler, model


def fit_kernel_map(
    Z: np.ndarray, weight: np.ndarray, patient: np.ndarray, plan: KernelPlan, seed: int
) -> tuple[StandardScaler, Nystroem]:
    """Fit the scaler and the Nystroem map on k-means centres (Williams and Seeger, 2001).

    ``patient``, shape (n,), says whose row it is: copies of one patient count once.
    """
    scaler = _fit_scaler(Z, weight)
    used = weight > 0
    rows = standardise(scaler, Z[used])
    count = max(2, min(plan.centers, int(used.sum()) // 8))
    means = KMeans(count, n_init=1, max_iter=30, random_state=seed).fit(rows)
    pairs = np.unique(np.column_stack([means.labels_, patient[used]]), axis=0)
    sizes = np.bincount(pairs[:, 0], minlength=count)
    centers = means.cluster_centers_[sizes >= plan.least_cluster]
    centers = centers[pairwise_distances_argmin_min(centers, rows)[1] > _LEAST_DISTANCE]
    gamma = plan.gamma / rows.shape[1]
    squared = ((centers[:, None, :] - centers[None, :, :]) ** 2).sum(axis=2)
    eigenvalues, vectors = np.linalg.eigh(np.exp(-gamma * squared))
    root = (vectors / np.sqrt(np.maximum(eigenvalues, _LEAST_EIGENVALUE))) @ vectors.T
    mapping = Nystroem(kernel="rbf", gamma=gamma, n_components=len(centers))
    mapping.components_ = centers
    mapping.normalization_ = root
    mapping.component_indices_ = np.arange(len(centers))
    mapping.n_features_in_ = rows.shape[1]
    return scaler, mapping


def fit_kernel_machine(features: np.ndarray, target: np.ndarray, weight: np.ndarray, plan: KernelPlan) -> LinearSVC:
    """Fit a linear support vector machine on mapped rows, shape (n, centres)."""
    rows, labels, counts = split_fractions(features, target, weight)
    machine = LinearSVC(C=plan.inverse_penalty, dual=False, tol=1e-3, intercept_scaling=_SVC_INTERCEPT_SCALE)
    return machine.fit(rows, labels, sample_weight=counts / counts.mean())


def fit_forest(
    Z: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray,
    patient: np.ndarray,
    plan: ForestPlan,
    rng: np.random.Generator,
) -> RandomForestClassifier:
    """Grow a forest in little bags; tree ``b * trees_per_bag + t`` is tree t of bag b.

    ``Z`` has no blanks (:func:`fill_blanks`; a gap column tells the trees where one may). A bag sees one half of the
    patients (``patient``, shape (n,), says whose row it is); within it every tree sees a bootstrap.
    """
    forest = RandomForestClassifier(
        n_estimators=plan.bags * plan.trees_per_bag,
        min_samples_leaf=plan.least_leaf,
        max_leaf_nodes=plan.most_leaves,
        max_features=plan.features,
    )
    patients = np.unique(patient[weight > 0])
    trees: list[DecisionTreeClassifier] = []
    for _ in range(plan.bags):
        chosen = rng.choice(patients, size=max(2, len(patients) // 2), replace=False)
        half = np.flatnonzero(np.isin(patient, chosen) & (weight > 0))
        for _ in range(plan.trees_per_bag):
            drawn = np.bincount(rng.choice(half, size=len(half)), minlength=len(weight)) * weight
            trees.append(_grow(Z, target, drawn, plan, int(rng.integers(2**31))))
    forest.estimators_ = trees
    forest.classes_ = np.array([0, 1])
    forest.n_classes_, forest.n_outputs_, forest.n_features_in_ = 2, 1, Z.shape[1]
    forest.estimator_ = DecisionTreeClassifier()
    return forest


def find_fill(Z: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return what stands for a blank, shape (width,): the mean of the observed (share of a choice); 0 if none is."""
    known = ~np.isnan(Z) * weight[:, None]
    return np.asarray((np.nan_to_num(Z) * known).sum(axis=0) / np.maximum(known.sum(axis=0), 1e-12))


def fill_blanks(Z: np.ndarray, fill: np.ndarray) -> np.ndarray:
    """Return encoded rows with blanks (NaN) replaced, so that a tree cannot tell a blank from an ordinary value."""
    return np.where(np.isnan(Z), fill, Z)


def hide_fields(X: np.ndarray, mask_rates: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return rows with maskable fields as they are, all hidden, and half hidden at random; and their source row.

    Shapes (k * n, n_inputs) and (k * n,), k = 3 if any field is maskable, else 1.
    """
    source = np.arange(len(X))
    maskable = np.flatnonzero(mask_rates > 0)
    if not len(maskable):
        return X, source
    hidden, mixed = X.copy(), X.copy()
    hidden[:, maskable] = np.nan
    for j in maskable:
        mixed[rng.random(len(X)) < 0.5, j] = np.nan
    return np.vstack([X, hidden, mixed]), np.tile(source, 3)


def draw_blanks(X: np.ndarray, known_blank: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return rows whose blanks are drawn from the observed values of the field, except where a blank may be known.

    A tree can find any constant that stands for a blank, and with it the hospital or the phase of a study
    that did not record the field; a drawn value tells nothing.

    Parameters
    ----------
    X : array, shape (n, n_inputs)
        Raw rows, NaN = blank.
    known_blank : bool array, shape (n_inputs,)
        Fields with a gap column: left as they are.
    rng : numpy Generator
        Source of the draws.
    """
    drawn = X.copy()
    for j in np.flatnonzero(~known_blank):
        blank = np.isnan(X[:, j])
        if blank.any() and not blank.all():
            drawn[blank, j] = rng.choice(X[~blank, j], size=int(blank.sum()))
    return drawn


def split_fractions(
    rows: np.ndarray, target: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turn fractional targets into weighted rows of both classes; rows without weight are dropped."""
    both = np.concatenate([weight * target, weight * (1.0 - target)])
    labels = np.repeat([1, 0], len(target))
    kept = both > 1e-3 * weight.mean()
    doubled = np.concatenate([rows, rows])
    return doubled[kept], labels[kept], both[kept]


def _fit_scaler(Z: np.ndarray, weight: np.ndarray) -> StandardScaler:
    used = weight > 0
    scaler = StandardScaler().fit(Z[used], sample_weight=weight[used])
    scaler.scale_ = np.where(np.isfinite(scaler.scale_) & (scaler.scale_ > 0), scaler.scale_, 1.0)
    scaler.mean_ = np.nan_to_num(scaler.mean_)
    return scaler


def _grow(Z: np.ndarray, target: np.ndarray, weight: np.ndarray, plan: ForestPlan, seed: int) -> Any:
    rows, labels, counts = split_fractions(Z, target, weight)
    if (
        len(np.unique(labels)) == 1
    ):  # a bag without an event: keep both classes, so that a leaf's last share is the risk
        rows, labels = np.vstack([rows, rows[:1]]), np.append(labels, 1 - labels[0])
        counts = np.append(counts, 1e-9 * counts.sum())
    tree = DecisionTreeClassifier(
        min_samples_leaf=plan.least_leaf,
        max_leaf_nodes=plan.most_leaves,
        max_features=plan.features,
        random_state=seed,
    )
    return tree.fit(rows, labels, sample_weight=counts)

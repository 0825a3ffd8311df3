"""The independent check: the shap package with the same background (read at version 0.51)."""

import numpy as np
import pytest

from medcore.explain import Background, TableExplainer

from .scores import Network


@pytest.fixture(scope="module")
def shap():
    return pytest.importorskip("shap")


@pytest.mark.slow
def test_exact_values_equal_shap_exact_explainer(shap):
    rng = np.random.default_rng(0)
    rows, row, network = rng.normal(size=(20, 8)), rng.normal(size=8), Network(8, rng)
    theirs = shap.ExactExplainer(network.plain, shap.maskers.Independent(rows, max_samples=20))(row[None]).values[0]
    ours = TableExplainer(network, Background(rows)).explain(row, 256)
    assert ours.values == pytest.approx(theirs, abs=1e-5)


def test_sampled_values_equal_shap_kernel_explainer_with_weights(shap):
    rng = np.random.default_rng(1)
    rows, weights, row, network = rng.normal(size=(15, 12)), rng.random(15), rng.normal(size=12), Network(12, rng)
    reference = Background(rows, weights)
    data = shap.utils._legacy.DenseData(rows, [f"f{i}" for i in range(12)], None, reference.weights.copy())
    kernel = shap.KernelExplainer(network.plain, data)
    theirs = kernel.shap_values(row, nsamples=4094, l1_reg=0, silent=True)
    ours = TableExplainer(network, reference).explain(row, 512)
    assert kernel.expected_value == pytest.approx(ours.base, abs=1e-5)
    assert ours.values == pytest.approx(theirs, abs=max(4 * ours.worst_error, 1e-4))

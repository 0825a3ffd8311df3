import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcore.errors import InputError
from medcore.services.prevalence import restate_risk

inside = st.floats(0.001, 0.999)


def test_hand_computed_case():
    # odds .62/.38 = 1.6316; times (.24/.76)/(.46/.54) = .37071 -> odds .60484 -> .37688
    assert restate_risk(0.62, 0.46, 0.24) == pytest.approx(0.37688, abs=1e-5)


@given(p=inside, base=inside)
def test_same_prevalence_changes_nothing(p, base):
    assert restate_risk(p, base, base) == pytest.approx(p, abs=1e-9)


@given(p=inside, base=inside, there=inside)
def test_there_and_back(p, base, there):
    assert restate_risk(restate_risk(p, base, there), there, base) == pytest.approx(p, abs=1e-6)


@given(base=inside, there=inside)
def test_certainty_stays(base, there):
    assert restate_risk(0.0, base, there) == 0.0
    assert restate_risk(1.0, base, there) == 1.0


@pytest.mark.parametrize("prevalence", [0.0, 1.0, -0.1, 1.5, float("nan"), float("inf")])
def test_impossible_prevalence_is_refused(prevalence):
    with pytest.raises(InputError, match=r"prevalence .* is not possible"):
        restate_risk(0.5, 0.4, prevalence)

"""Every example on the model that the Risk page uses: it reaches the state it is there to show."""

import pytest

from medcore.conditions.catalog import list_conditions
from medcore.config import read_settings
from medcore.registry import Catalog
from medcore.results import Status
from medcore.services.bedside import clinic
from medcore.services.model_child import LocalGateway

MODELS = read_settings().models_dir
RELEASED = {facts.condition for facts in Catalog(MODELS).models()} if MODELS.is_dir() else set()
EXAMPLES = [
    pytest.param(
        condition,
        example,
        id=f"{condition.id}-{example.name}",
        marks=pytest.mark.skipif(condition.id not in RELEASED, reason="no released model of this condition here"),
    )
    for condition in list_conditions()
    for example in condition.examples
]
LOW = {"Woman, 42", "Woman, 45", "Heart failure, 68", "Small even nuclei"}
WIDE_POINTS = 0.30


@pytest.fixture(scope="module")
def gateway():
    return LocalGateway(MODELS)


def read(gateway, condition, example):
    facts = gateway.catalog.default(condition.id)
    studied = gateway.catalog.studied(facts.model_id)
    return facts, clinic.read_form(condition, example.values, example.units, studied=studied)


@pytest.mark.parametrize(("condition", "example"), EXAMPLES)
def test_example_reaches_the_state_it_shows(gateway, condition, example):
    facts, reading = read(gateway, condition, example)
    if example.expects == "unit_question":
        assert reading.unit_questions
        return
    if example.expects == "withheld":
        assert reading.errors or condition.population_limits(reading.record.values)
        return
    prediction = gateway.predict(facts.model_id, reading.record.values)
    assert not reading.errors
    assert not reading.unit_questions
    if example.expects == "wide":
        assert prediction.interval.hi - prediction.interval.lo > WIDE_POINTS
        return
    assert prediction.status is Status.SCORED, prediction.applicability.reasons
    if example.name in LOW:
        assert prediction.interval.lo < prediction.p_calibrated < facts.base_rate
        assert prediction.p_calibrated < 0.75 * facts.base_rate
    else:
        assert prediction.p_calibrated > 1.3 * facts.base_rate

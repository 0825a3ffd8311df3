"""Who may be asked about at all."""

import pytest

from medcore.conditions.catalog import find_condition
from medcore.inference.eligibility import find_reasons

DIABETES = find_condition("diabetes")
FINE = {"already_diagnosed": 0.0, "age_years": 61.0, "sex": 1.0}


def codes(values):
    return [(reason.code, reason.field) for reason in find_reasons(DIABETES, values)]


def test_nothing_to_say():
    required = {item.name for item in DIABETES.schema.fields if item.required}
    assert required <= FINE.keys()
    assert codes(FINE) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [({"already_diagnosed": 1.0}, "already_diagnosed"), ({"pregnant": 1.0}, "pregnant"), ({"age_years": 12.0}, None)],
)
def test_population_limits(change, field):
    found = codes(FINE | change)
    assert [code for code, _ in found] == ["population"]
    assert field in (None, found[0][1])


def test_required_fields_come_last_with_their_label():
    reasons = find_reasons(DIABETES, {"already_diagnosed": 1.0})
    assert reasons[0].code == "population"
    missing = {reason.field for reason in reasons if reason.code == "required_missing"}
    assert missing == {item.name for item in DIABETES.schema.fields if item.required} - {"already_diagnosed"}
    assert all(DIABETES.schema[reason.field].label in reason.text for reason in reasons[1:])

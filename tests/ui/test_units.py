import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcore.conditions.catalog import list_conditions
from medcore.records import Field, FieldKind, Unit
from medcore.ui.units import convert_text, next_unit

CREATININE = Field(
    name="creatinine",
    label="Creatinine",
    group="Labs",
    unit="mg/dL",
    other_units=(Unit(symbol="µmol/L", factor=0.01131),),
)
FIELDS = [
    (condition.id, item, unit.symbol)
    for condition in list_conditions()
    for item in condition.schema.fields
    if item.kind is FieldKind.NUMBER
    for unit in item.other_units
]


@pytest.mark.parametrize(
    ("text", "unit", "wanted", "shown"),
    [
        ("190", "µmol/L", "mg/dL", "2.149"),
        ("2,1", "mg/dL", "µmol/L", "185.7"),
        ("<1", "mg/dL", "µmol/L", "<88.42"),
        ("abc", "mg/dL", "µmol/L", None),
        ("", "mg/dL", "µmol/L", None),
    ],
)
def test_text_in_the_other_unit(text, unit, wanted, shown):
    assert convert_text(CREATININE, text, unit, wanted) == shown


def test_units_go_round():
    assert next_unit(CREATININE, "mg/dL") == "µmol/L"
    assert next_unit(CREATININE, "µmol/L") == "mg/dL"
    assert next_unit(CREATININE, "nonsense") == "mg/dL"


@pytest.mark.parametrize(("condition", "item", "symbol"), FIELDS, ids=[f"{c}-{i.name}-{s}" for c, i, s in FIELDS])
@given(share=st.floats(0.01, 0.99))
def test_there_and_back_for_every_unit_of_every_form(condition, item, symbol, share):
    lo, hi = item.possible
    value = lo + share * (hi - lo)
    there = convert_text(item, f"{value:.6g}", item.unit, symbol)
    assert there is not None
    back = convert_text(item, there, symbol, item.unit)
    if back is None:  # the four digits shown may round just past the end of the possible range
        assert share < 0.02 or share > 0.98
    else:
        assert float(back) == pytest.approx(value, rel=2e-3, abs=2e-3 * (hi - lo))

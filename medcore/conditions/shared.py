"""Fields, units and phrases that several conditions share."""

from __future__ import annotations

from collections.abc import Iterable

from medcore.conditions.condition import Values
from medcore.errors import ConflictError, FieldError, OutOfRangeError
from medcore.records import Choice, Field, FieldKind, Role, Schema, Unit
from medcore.records.reading import check_possible
from medcore.results import Reason

__all__ = [
    "ADULT_YEARS",
    "CHOLESTEROL_MMOL",
    "GLUCOSE_MMOL",
    "KPA",
    "PRESSURE_MAX",
    "age_field",
    "age_limit",
    "check_pressures",
    "conflict",
    "derived_errors",
    "range_words",
    "sex_field",
    "yes_no_field",
]

ADULT_YEARS = 18
PRESSURE_MAX = 300

# 1 kPa = 7.50062 mmHg. Cholesterol 386.65 g/mol, glucose 180.16 g/mol.
KPA = Unit(symbol="kPa", factor=7.501)
CHOLESTEROL_MMOL = Unit(symbol="mmol/L", factor=38.67, aliases=("mM", "mmol"), loinc="14647-2")
GLUCOSE_MMOL = Unit(symbol="mmol/L", factor=18.016, aliases=("mM", "mmol"), ambiguous=True)

NO = Choice(code=0, word="no", label="no", aliases=("n", "false", "neg", "negative", "absent"))
YES = Choice(code=1, word="yes", label="yes", aliases=("y", "true", "pos", "positive", "present"))


def age_field(
    group: str,
    *,
    required: bool = True,
    role: Role = Role.INPUT,
    top_code: float | None = None,
    knots: tuple[float, ...] = (),
) -> Field:
    """Return the age field: 0-120 years possible; who is too young is withheld, not an error."""
    over = "" if top_code is None else f" {top_code:g} and over is one group."
    return Field(
        name="age_years",
        label="Age",
        group=group,
        role=role,
        unit="years",
        unit_aliases=("year", "yrs", "yr", "y", "yo", "a"),
        possible=(0, 120),
        required=required,
        loinc="30525-0",
        help=f"Age today, in completed years.{over}",
        paste_names=("age",),
        # Given in completed years: the error is that of rounding down, uniform over one year (1/sqrt(12)).
        noise_sd=0.3,
        top_code=top_code,
        knots=knots,
    )


def sex_field(group: str, *, required: bool = True, mask_rate: float = 0.0) -> Field:
    """Return the field for the sex recorded at birth."""
    return Field(
        name="sex",
        label="Sex at birth",
        group=group,
        kind=FieldKind.CHOICE,
        choices=(
            Choice(code=0, word="female", label="female", aliases=("f", "woman", "w")),
            Choice(code=1, word="male", label="male", aliases=("m", "man")),
        ),
        required=required,
        loinc="76689-9",
        help="Sex recorded at birth: the study knows no other.",
        paste_names=("sex", "gender"),
        mask_rate=mask_rate,
    )


def yes_no_field(name: str, label: str, group: str, **more: object) -> Field:
    """Return a yes/no field."""
    return Field(name=name, label=label, group=group, kind=FieldKind.CHOICE, choices=(NO, YES), **more)  # type: ignore[arg-type]


def age_limit(values: Values, lowest: int, study: str) -> tuple[Reason, ...]:
    """Return the reason to withhold where the patient is younger than the study's youngest."""
    age = values.get("age_years")
    if age is None or age >= lowest:
        return ()
    text = f"Age {age:g} years: {study} begins at {lowest} years."
    return (Reason(code="population", field="age_years", text=text),)


def conflict(field: str, message: str, value: object = None) -> ConflictError:
    """Return (not raise) a contradiction between two fields."""
    return ConflictError(message, field=field, value=value)


def check_pressures(values: Values) -> tuple[FieldError, ...]:
    """Diastolic pressure must lie below systolic pressure."""
    systolic, diastolic = values.get("systolic_mmhg"), values.get("diastolic_mmhg")
    if systolic is None or diastolic is None or diastolic < systolic:
        return ()
    message = f"Diastolic pressure {diastolic:g} is not below systolic {systolic:g} mmHg. Were they swapped?"
    return (conflict("diastolic_mmhg", message, diastolic),)


def derived_errors(schema: Schema, names: Iterable[str], values: Values) -> tuple[FieldError, ...]:
    """Return the range errors of values that were computed rather than typed."""
    errors: list[FieldError] = []
    for name in names:
        if name not in values:
            continue
        try:
            check_possible(schema[name], values[name])
        except OutOfRangeError as error:
            errors.append(error)
    return tuple(errors)


def range_words(lo: str, hi: str) -> str:
    """Join two per cent texts: ``"33–50 %"``; ``"< 1 to 3 %"`` where one is not a plain number."""
    low, high = (text.replace("%", "").strip() for text in (lo, hi))
    if low == high:
        return f"{low} %"
    joint = "–" if low.isdigit() and high.isdigit() else " to "
    return f"{low}{joint}{high} %"

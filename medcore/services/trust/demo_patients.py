"""The patients a demo begins with: made up by this file, scored by the served models, saved like any other.

Nothing about them is older than the demo: every result carries the time at which it was saved. Their known outcomes
follow a rule that has nothing to do with the score. Nobody's reading, opinion or verdict is among them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from medcore.access import Actor, Role, who_is
from medcore.conditions.catalog import find_condition, list_film_conditions
from medcore.conditions.condition import Condition
from medcore.errors import InputError
from medcore.imaging.phantom import make_phantom
from medcore.journal import Patient, SavedAssessment, SiteSetting
from medcore.records import FieldKind
from medcore.services.bedside.clinic import FormReading, assess, read_form
from medcore.services.compare.same_patient import list_made_up, read_values
from medcore.services.films.reading import new_case
from medcore.services.gateway import background
from medcore.services.house import House
from medcore.services.trust.activation import make_activation
from medcore.services.trust.cases import save_assessment, save_unread_film
from medcore.services.trust.patients import make_patient

__all__ = ["COURSES", "DEMO_PATIENTS_NOTE", "MAKER", "Course", "fill_demo", "is_filled", "name_made_up"]

MAKER = Actor(name="demo-setup", roles=frozenset({Role.CLINICIAN, Role.RADIOLOGIST}), demo=True)
"""Who makes these patients in the audit trail: the program, not a visitor."""

DEMO_PATIENTS_NOTE = (
    "Patients named “Made-up patient” were made by this demo at its first start: values invented, results from the "
    "models served here, all saved on that day; films are pictures drawn by code, which nobody has read. Where an "
    "outcome is known it follows our rule, “yes” for even patient numbers and “no” for odd ones: it says nothing about "
    "the models. All visitors of this demo share what is kept in it."
)
"""What the page of patients says in a demo."""

SETTING = "demo_patients"
"""The journal's note of how far this came: ``begun``, then ``made``."""

_STEP = 0.04
_FIRST_OUTCOMES = 4
_FILM_ROWS, _FILM_COLUMNS = 600, 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One made-up patient: what is asked about, where the values begin, and how many results are saved.

    Attributes
    ----------
    number : int
        From 1; also in the name.
    condition_id : str
        A question about values, or about films: then each result is a picture drawn by code that nobody read.
    n_results : int
    example : int or None
        Place among the question's examples; None begins with a made-up patient of the model's own cohort.
    """

    number: int
    condition_id: str
    n_results: int
    example: int | None = None


COURSES = (
    Course(number=1, condition_id="diabetes", n_results=3, example=0),
    Course(number=2, condition_id="diabetes", n_results=4),
    Course(number=3, condition_id="heart_disease", n_results=3, example=1),
    Course(number=4, condition_id="heart_disease", n_results=3),
    Course(number=5, condition_id="mortality_180d", n_results=3, example=1),
    Course(number=6, condition_id="mortality_180d", n_results=2),
    Course(number=7, condition_id="breast_cancer", n_results=2, example=2),
    Course(number=8, condition_id="pneumonia", n_results=2),
)


def name_made_up(number: int) -> dict[str, str]:
    """Return the identifiers of a made-up patient; they say so themselves.

    Examples
    --------
    >>> name_made_up(3)
    {'mrn': 'MADE-UP-3', 'name': 'Made-up patient 3'}
    """
    return {"mrn": f"MADE-UP-{number}", "name": f"Made-up patient {number}"}


def is_filled(house: House) -> bool:
    """Return whether the patients are there, so that nothing is left to do.

    Raises
    ------
    StorageError
        The journal cannot be read.
    """
    found = house.journal.site.get(SETTING)
    return found is not None and found.value == "made"


def fill_demo(house: House, *, go_on: Callable[[], bool] = lambda: True) -> int:
    """Make the patients of a demo unless they are there, and return how many results were saved.

    What a start that was broken off left undone is done by the next one; nothing is made twice. Outside a demo, and
    where the demo's journal is a database that it may share, nothing happens.

    Parameters
    ----------
    house : House
        Its models must be ready. Visitors' questions go first.
    go_on : callable
        Asked before each result; False breaks off.

    Raises
    ------
    MedcoreError
        A model failed, or the journal cannot be written.
    """
    if not house.settings.demo or house.settings.journal_url or is_filled(house):
        return 0
    house = replace(house, who=lambda: MAKER)
    begun = house.journal.site.get(SETTING)
    again = begun is not None
    if begun is None:
        begun = _note(house, "begun", 0)
    n_saved = 0
    with background():
        for course in COURSES:
            patient = _find(house, course) if again else None
            n_there = _count(house, patient) if patient is not None else 0
            patient = patient or make_patient(house, name_made_up(course.number), made_up=True)
            for place in range(n_there, course.n_results):
                if not go_on():
                    return n_saved
                _save(house, course, place, patient)
                n_saved += 1
    _note(house, "made", begun.version)
    return n_saved


def _note(house: House, state: str, version: int) -> SiteSetting:
    return house.journal.site.put(SETTING, state, version=version, by=who_is(MAKER))


def _find(house: House, course: Course) -> Patient | None:
    found = house.journal.patients.find("mrn", name_made_up(course.number)["mrn"], by=who_is(MAKER))
    return found[0] if found else None


def _count(house: House, patient: Patient) -> int:
    return len(house.journal.assessments.read_all(patient.pseudonym, by=who_is(MAKER)))


def _save(house: House, course: Course, place: int, patient: Patient) -> None:
    """Save one result, and for the first of some patients how it came out."""
    key = f"demo {course.number} {place}"
    if course.condition_id in {item.id for item in list_film_conditions()}:
        film = make_phantom(10 * course.number + place, _FILM_ROWS, _FILM_COLUMNS)
        case = replace(new_case(place + 1, f"made-up picture {place + 1}"), film=film)
        save_unread_film(house, course.condition_id, case=case, pseudonym=patient.pseudonym, key=key)
        return
    saved = _save_form(house, course, place, patient, key)
    if place == 0 and course.number <= _FIRST_OUTCOMES:
        house.journal.outcomes.save(saved.id, course.number % 2 == 0, by=who_is(MAKER))


def _save_form(house: House, course: Course, place: int, patient: Patient, key: str) -> SavedAssessment:
    condition = find_condition(course.condition_id)
    model_id = house.catalog.default(condition.id).model_id
    reading = _read(house, condition, course, place, model_id)
    assessment = assess(
        condition.id,
        model_id,
        reading,
        actor=house.actor,
        journal=house.journal,
        gateway=house.gateway,
        catalog=house.catalog,
        activation=make_activation(house),
    )
    return save_assessment(
        house,
        condition_id=condition.id,
        reading=reading,
        assessment=assessment,
        pseudonym=patient.pseudonym,
        key=key,
    )


def _read(house: House, condition: Condition, course: Course, place: int, model_id: str) -> FormReading:
    """Return the form of one visit: as it began, or a little changed where the changed form can be answered."""
    first = _begin(house, condition, course, model_id)
    values = {name: value for name, value in first.record.values.items() if name not in first.derived}
    up = 1 if course.number % 2 else -1
    changed = read_values(condition, _change(condition, values, up * _STEP * place))
    return changed if _is_clean(changed) else first


def _begin(house: House, condition: Condition, course: Course, model_id: str) -> FormReading:
    if course.example is not None:
        example = condition.examples[course.example]
        return read_form(condition, example.values, example.units)
    for made_up in list_made_up(house.catalog, model_id):
        reading = read_values(condition, made_up.values)
        if _is_clean(reading):
            return reading
    raise InputError(f"The cohort of {model_id} has no patient whose form can be answered.", field="cohort.npz")


def _is_clean(reading: FormReading) -> bool:
    return not (reading.errors or reading.unit_questions or reading.questions or reading.missing_required)


def _change(condition: Condition, values: Mapping[str, float], share: float) -> dict[str, float]:
    """Return the values with those that may be swept moved by a share of themselves, and what moves with them."""
    moved = dict(values)
    for name in condition.swept_fields:
        item = condition.schema[name]
        if item.kind is FieldKind.NUMBER and name in values:
            lo, hi = item.possible or (float("-inf"), float("inf"))
            moved[name] = min(hi, max(lo, round(values[name] * (1 + share), item.decimals)))
            linked = condition.linked_change(name, moved[name], values)
            moved |= {other: value for other, value in linked.items() if other in values}
    return moved

"""Every film condition is held to the same promises."""

import pytest

from medcore.conditions.catalog import (
    find_condition,
    find_film_condition,
    kind_of,
    list_conditions,
    list_film_conditions,
)
from medcore.conditions.film_condition import FilmCondition
from medcore.errors import UnknownNameError


@pytest.fixture(params=list_film_conditions(), ids=lambda condition: condition.id)
def condition(request):
    return request.param


def test_names_and_aliases_find_their_condition(condition):
    for name in (condition.id, condition.id.upper(), *condition.aliases):
        assert find_film_condition(name) is condition
        assert kind_of(name) == "image"


def test_a_question_about_fields_is_no_question_about_films(condition):
    with pytest.raises(UnknownNameError, match="about films"):
        find_condition(condition.id)
    for other in list_conditions():
        assert kind_of(other.id) == "tabular"
        with pytest.raises(UnknownNameError, match=condition.id):
            find_film_condition(other.id)


def test_an_unknown_name_lists_all_conditions(condition):
    with pytest.raises(UnknownNameError, match=condition.id):
        kind_of("gout")


def test_classes_are_numbered_as_the_logits_and_some_are_positive(condition):
    assert [item.code for item in condition.classes] == list(range(len(condition.classes)))
    assert len(set(condition.words)) == len(condition.words)
    assert 0 < len(condition.positive) < len(condition.words)
    assert set(condition.positive) <= set(condition.words)
    assert condition.find_class(condition.words[0]) is condition.classes[0]
    with pytest.raises(UnknownNameError, match=condition.words[-1]):
        condition.find_class("lateral")


def test_the_sentence_holds_its_numbers_and_says_whose_mix_it_is(condition):
    with_site = condition.sentence("83 %", "71 %", "91 %", "30", "74")
    without = condition.sentence("83 %", "71 %", "91 %", "", "74")
    assert "83 %" in with_site
    assert "(71-91)" in with_site
    assert "30 of 100" in with_site
    assert "study" not in with_site
    assert "study's mix" in without
    assert "overstates" in without


def test_every_text_a_reader_needs_is_there(condition):
    assert isinstance(condition, FilmCondition)
    card = condition.card
    for text in (card.purpose, card.population, card.not_for, card.limits, condition.pattern_caption):
        assert text.endswith(".")
    assert condition.not_assessed
    assert condition.references
    assert condition.prevalence.reason
    low, high = condition.limits.age_years
    assert f"{low}-{high} years" in condition.foot_line

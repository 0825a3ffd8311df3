"""Safe Harbor: every fact has a rule, every identifier is gone from every format, and what stays is said."""

import json
from dataclasses import replace

import pytest
from case_examples import BARS, INPUTS, PATIENT, READER, make_case, make_film_case, make_risk

from medcore.errors import InputError
from medcore.reports import safe_harbor
from medcore.reports.case_html import write_case_html
from medcore.reports.case_pdf import draw_case_pdf
from medcore.reports.fhir import write_case_fhir
from medcore.reports.fhir_rules import check_bundle
from medcore.reports.safe_harbor import IDENTIFIERS, TABLE, Action, deidentify, list_facts

SECRETS = (
    PATIENT.name, "Anna", PATIENT.identifier, "4711", "1965-03-09", "03-09", "Beispielstr", "Musterstadt", "12345",
    "anna@example.org", "0123 456789", "Ward 3", "Example Hospital", "31337", "2026-05-04", "05-04", "10:11",
    READER.actor, READER.note, READER.reason, "Smith", "Jones",
)  # fmt: skip
FILM_SECRETS = (*SECRETS, "2026-05-03", "05-03", "fe" * 8)


def old_case(age=93.0):
    item = replace(INPUTS[0], value=age, text=f"{age:g} years")
    bars = replace(BARS, bars=(replace(BARS.bars[0], value=f"{age:g} years", note=f"at {age:g}"), BARS.bars[1]))
    reasons = (f"Age {age:g} years: the study ends at 80.", f"aged {age:g}, few such patients", "Creatinine is high.")
    return make_case(
        inputs=(item, *INPUTS[1:]),
        bars=bars,
        patient=replace(PATIENT, birth_date="1933-01-01"),
        risk=make_risk(
            reasons=reasons, reason_fields=("age_years", "", "creatinine"), questions=("Is the age right?",)
        ),
    )


class TestTable:
    def test_every_fact_of_a_case_file_has_a_rule_and_every_rule_a_fact(self):
        assert set(list_facts()) == set(TABLE)

    def test_all_18_identifiers_are_dealt_with(self):
        named = {number for rule in TABLE.values() if rule.action is not Action.KEEP for number in rule.numbers}
        assert len(IDENTIFIERS) == 18
        assert named == set(IDENTIFIERS)

    def test_what_stays_says_why(self):
        assert [path for path, rule in TABLE.items() if rule.action is Action.KEEP and not rule.why] == []

    def test_a_fact_without_a_rule_stops_the_export(self, monkeypatch):
        monkeypatch.setattr(safe_harbor, "TABLE", {path: rule for path, rule in TABLE.items() if path != "site"})
        with pytest.raises(InputError, match="no rule says what to do with site"):
            deidentify(make_case())

    def test_what_is_dropped_is_empty_and_what_is_cut_to_the_year_has_four_digits(self):
        case = deidentify(make_film_case())
        for path, rule in TABLE.items():
            for value in read_path(case, path.split(".")):
                if rule.action is Action.DROP:
                    assert value == "", path
                elif rule.action is Action.YEAR:
                    assert len(value) == 4, path


def read_path(value, steps):
    if isinstance(value, tuple):
        for item in value:
            yield from read_path(item, steps)
    elif not steps:
        yield value
    elif value is not None:
        yield from read_path(getattr(value, steps[0]), steps[1:])


class TestNothingIsLeft:
    @pytest.mark.parametrize("secret", SECRETS)
    def test_in_a_table_case(self, secret):
        case = deidentify(make_case())
        assert secret in f"{make_case()!r}", "the test looks for something that was there"
        assert secret not in repr(case)

    @pytest.mark.parametrize("secret", FILM_SECRETS)
    def test_in_html_and_json_of_a_film(self, secret):
        case = deidentify(make_film_case(), picture_checked=False)
        pages = write_case_html(case) + json.dumps(write_case_fhir(case), ensure_ascii=False)
        pages = pages.replace(case.content_hash, "")
        assert secret not in strip_addresses(pages)

    def test_the_copy_has_its_own_hash(self):
        """The hash of the identified file would be a code made from what identifies the patient."""
        case, copy = make_case(), deidentify(make_case())
        assert case.content_hash not in write_case_html(copy)
        other = deidentify(make_case(patient=replace(PATIENT, name="Someone else", identifier="1")))
        assert copy.content_hash == other.content_hash

    def test_it_is_still_a_whole_record(self):
        case = deidentify(make_case())
        assert draw_case_pdf(case).startswith(b"%PDF")
        bundle = write_case_fhir(case)
        assert check_bundle(bundle) == ()
        assert bundle["meta"]["security"][0]["code"] == "REDACTED"
        assert "timestamp" not in bundle
        assert (case.risk, case.bars, case.inputs) == (make_case().risk, make_case().bars, make_case().inputs)

    def test_twice_is_once(self):
        once = deidentify(make_film_case())
        assert deidentify(once) == once


def strip_addresses(text):
    import re

    return re.sub(r"urn:uuid:[0-9a-f-]+|\"value\": \"[0-9a-f]{64}\"", "", text)


class TestAge:
    @pytest.mark.parametrize("age", [90.0, 93.0, 120.0])
    def test_over_89_is_one_group_everywhere(self, age):
        case = deidentify(old_case(age))
        pages = write_case_html(case) + json.dumps(write_case_fhir(case))
        assert f"{age:g} years" not in pages.replace("90 years or over", "")
        assert case.inputs[0].value == 90.0
        assert case.inputs[0].comparator == ">="
        assert case.patient.birth_date == ""
        assert "1933" not in pages
        assert case.risk.reasons[2] == "Creatinine is high."
        assert [text for text in (*case.risk.reasons, *case.risk.questions) if f"{age:g}" in text] == []

    def test_two_very_old_patients_cannot_be_told_apart(self):
        assert deidentify(old_case(91.0)).content_hash == deidentify(old_case(99.0)).content_hash

    def test_89_stays(self):
        item = replace(INPUTS[0], value=89.0, text="89 years")
        case = deidentify(make_case(inputs=(item,), patient=replace(PATIENT, birth_date="1937-06-01")))
        assert case.inputs[0].text == "89 years"
        assert case.patient.birth_date == "1937"

    def test_a_birth_year_alone_tells_an_age_over_89(self):
        case = deidentify(make_case(inputs=(), patient=replace(PATIENT, birth_date="1930-06-01")))
        assert case.patient.birth_date == ""

    def test_a_film_of_an_old_patient(self):
        case = make_film_case()
        case = deidentify(replace(case, film=replace(case.film, age_years=97.0)))
        assert case.film.age_years == 90.0


class TestPictures:
    def test_pictures_need_a_person_whatever_the_header_says(self):
        case = make_film_case()
        assert case.film.burned_in is False
        assert deidentify(case).film.pictures == ()
        assert any("nobody has checked" in notice for notice in deidentify(case).notices)

    def test_checked_pictures_stay_and_that_is_said(self):
        case = deidentify(make_film_case(), picture_checked=True)
        assert len(case.film.pictures) == 2
        assert any("A person looked" in notice for notice in case.notices)


def test_dropped_free_text_is_said_only_where_there_was_some():
    assert any("free text" in notice for notice in deidentify(make_case()).notices)
    assert not any("free text" in notice for notice in deidentify(make_case(reader=None)).notices)

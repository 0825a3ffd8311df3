"""The FHIR record: read again by fhir.resources (R4B) and by our own rules, which know what it lets through."""

import copy
import json
from dataclasses import replace

import pytest
from case_examples import HOSTILE, INPUTS, WITHHELD, make_case, make_film_case, make_hostile, make_input, make_risk

from medcore.conditions.catalog import list_conditions
from medcore.errors import InputError
from medcore.reports import fhir_codes as codes
from medcore.reports.fhir import write_case_fhir
from medcore.reports.fhir_rules import check_bundle, require_valid
from medcore.reports.safe_harbor import deidentify

CASES = {
    "table": make_case(),
    "withheld": make_case(risk=WITHHELD, bars=None),
    "no_reader": make_case(reader=None),
    "no_model": make_case(risk=WITHHELD, bars=None, model=None, point=None),
    "film": make_film_case(),
    "film_withheld": make_film_case(risk=replace(WITHHELD, n_fields=0, n_known=0)),
    "deidentified": deidentify(make_case()),
    "film_deidentified": deidentify(make_film_case(), picture_checked=True),
}


def find(bundle, kind):
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


def by_text(bundle, text):
    (found,) = [item for item in find(bundle, "Observation") if item["code"]["text"] == text]
    return found


class TestTwoReaders:
    @pytest.mark.parametrize("name", CASES)
    def test_both_accept(self, name):
        module = pytest.importorskip("fhir.resources.R4B.bundle", reason="fhir.resources is in the extra test")
        text = json.dumps(write_case_fhir(CASES[name]), allow_nan=False)
        read = module.Bundle.model_validate_json(text)
        again = json.loads(read.model_dump_json())
        assert len(again["entry"]) == len(json.loads(text)["entry"])
        assert check_bundle(json.loads(text)) == ()
        assert check_bundle(again) == ()

    @pytest.mark.parametrize("text", HOSTILE)
    def test_texts_are_exact(self, text):
        bundle = json.loads(json.dumps(write_case_fhir(make_hostile(text))))
        assert find(bundle, "Patient")[0]["name"] == [{"text": text}]
        assert {"text": text} in find(bundle, "RiskAssessment")[0]["note"]
        assert check_bundle(bundle) == ()


class TestTable:
    def test_the_answer(self):
        (risk,) = find(write_case_fhir(make_case()), "RiskAssessment")
        (prediction,) = risk["prediction"]
        assert (risk["status"], prediction["probabilityDecimal"]) == ("final", 0.12)
        ends = prediction["extension"][0]["extension"][0]["valueRange"]
        assert (ends["low"]["value"], ends["high"]["value"]) == (0.09, 0.15)
        assert "Decision support, not a diagnosis." in [note["text"] for note in risk["note"]]
        assert "ab12cd" in risk["method"]["text"]

    def test_who_has_not_judged_leaves_it_preliminary(self):
        (risk,) = find(write_case_fhir(CASES["no_reader"]), "RiskAssessment")
        assert risk["status"] == "preliminary"

    def test_a_withheld_case_has_no_prediction(self):
        (risk,) = find(write_case_fhir(CASES["withheld"]), "RiskAssessment")
        assert risk["status"] == "cancelled"
        assert "prediction" not in risk

    def test_values_have_loinc_and_ucum(self):
        bundle = write_case_fhir(make_case())
        age = by_text(bundle, "Age")
        assert age["valueQuantity"] == {"value": 61.0, "unit": "years", "system": codes.UCUM, "code": "a"}
        assert age["code"]["coding"][0] == {"system": codes.LOINC, "code": "30525-0"}
        assert by_text(bundle, "Sex at birth")["valueCodeableConcept"]["text"] == "male"
        assert by_text(bundle, "Body mass index")["method"]["text"].startswith("computed")
        assert not [item for item in find(bundle, "Observation") if item["code"]["text"] == "Waist"]

    def test_blood_pressure_is_one_panel(self):
        panel = by_text(write_case_fhir(make_case()), "Blood pressure")
        assert [part["valueQuantity"]["value"] for part in panel["component"]] == [142.0, 84.0]
        alone = by_text(write_case_fhir(make_case(inputs=INPUTS[2:3])), "Blood pressure")
        assert alone["component"][1]["dataAbsentReason"]["coding"][0]["code"] == "unknown"

    def test_a_detection_limit_is_kept(self):
        item = make_input("crp", label="CRP", loinc="", unit="mg/dL", value=5.0, comparator="<")
        found = by_text(write_case_fhir(make_case(inputs=(item,))), "CRP")
        assert found["valueQuantity"]["comparator"] == "<"

    def test_inspired_oxygen_is_per_cent_however_typed(self):
        for value in (0.4, 40.0):
            item = make_input("fio2", label="FiO2", loinc="3150-0", unit="", value=value)
            found = by_text(write_case_fhir(make_case(inputs=(item,))), "FiO2")["valueQuantity"]
            assert (found["value"], found["code"]) == (40.0, "%")

    def test_a_vital_sign_without_its_day_is_not_called_one(self):
        dated, year = write_case_fhir(make_case()), write_case_fhir(CASES["deidentified"])
        assert "category" in by_text(dated, "Blood pressure")
        assert "category" not in by_text(year, "Blood pressure")
        assert by_text(year, "Blood pressure")["effectiveDateTime"] == "2026"


class TestFilm:
    def test_the_report(self):
        bundle = write_case_fhir(make_film_case())
        (report,) = find(bundle, "DiagnosticReport")
        assert report["status"] == "final"
        assert "Decision support" in report["conclusion"]
        assert [item["contentType"] for item in report["presentedForm"]] == ["image/png", "image/png"]
        values = [item["valueQuantity"]["value"] for item in find(bundle, "Observation") if "valueQuantity" in item]
        assert values == [0.83, 0.7, 0.3]

    def test_a_withheld_film(self):
        bundle = write_case_fhir(CASES["film_withheld"])
        score = find(bundle, "Observation")[0]
        assert score["status"] == "cancelled"
        assert "valueQuantity" not in score
        assert score["dataAbsentReason"]["coding"][0]["code"] == "not-performed"


class TestCodes:
    def test_every_field_of_every_condition_can_be_exported(self):
        for condition in list_conditions():
            for item in condition.schema.fields:
                assert codes.find_ucum(item.unit), f"{condition.id} {item.name}: {item.unit!r}"
                assert not item.loinc or codes.is_loinc(item.loinc), f"{condition.id} {item.name}: {item.loinc}"

    @pytest.mark.parametrize("code", ["8480-6", "8867-4", "29463-7", "39156-5", "30525-0", "1558-6", "3150-0"])
    def test_loinc(self, code):
        number, check = code.split("-")
        assert codes.is_loinc(code)
        assert not codes.is_loinc(f"{number}-{(int(check) + 1) % 10}")

    @pytest.mark.parametrize("code", ["", "-", "8480", "8480-", "8480-66", "84a0-6", "٨٤٨٠-6", "-6"])
    def test_not_loinc(self, code):
        assert not codes.is_loinc(code)


def set_at(bundle, kind, path, value):
    bundle = copy.deepcopy(bundle)
    place = find(bundle, kind)[0] if kind else bundle
    for step in path[:-1]:
        place = place[step]
    if value is KeyError:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return bundle


P = ["prediction", 0, "probabilityDecimal"]
LOW = ["prediction", 0, "extension", 0, "extension", 0, "valueRange", "low", "value"]
BROKEN = {
    "status": ("RiskAssessment", ["status"], "banana", "status 'banana'"),
    "risk above 1": ("RiskAssessment", P, 1.7, "1.7 is not a probability"),
    "risk below 0": ("RiskAssessment", P, -0.1, "-0.1 is not a probability"),
    "risk true": ("RiskAssessment", P, True, "True is not a probability"),
    "risk text": ("RiskAssessment", P, "0.5", "'0.5' is not a probability"),
    "risk nan": ("RiskAssessment", P, float("nan"), "nan is not a probability"),
    "interval": ("RiskAssessment", LOW, 0.5, "does not hold"),
    "subject": ("RiskAssessment", ["subject", "reference"], "urn:uuid:nobody", "does not lead to the patient"),
    "basis": ("RiskAssessment", ["basis", 0, "reference"], "Observation/1", "leads nowhere"),
    "time": ("RiskAssessment", ["occurrenceDateTime"], "yesterday", "not a date or time"),
    "outcome": ("RiskAssessment", ["prediction", 0, "outcome"], KeyError, "outcome is missing"),
    "no prediction": ("RiskAssessment", ["prediction"], KeyError, "has a prediction"),
    "cancelled": ("RiskAssessment", ["status"], "cancelled", "has no prediction"),
    "unit": ("Observation", ["valueQuantity", "code"], "mmHg", "not a UCUM unit"),
    "no unit system": ("Observation", ["valueQuantity", "system"], KeyError, "not a UCUM unit"),
    "infinite": ("Observation", ["valueQuantity", "value"], float("inf"), "not a finite number"),
    "comparator": ("Observation", ["valueQuantity", "comparator"], "~", "comparator '~'"),
    "loinc": ("Observation", ["code", "coding", 0, "code"], "30525-1", "not a LOINC code"),
    "system": ("Observation", ["code", "coding", 0, "system"], "loinc", "code system 'loinc'"),
    "value gone": ("Observation", ["valueQuantity"], KeyError, "neither a value nor a reason"),
    "two values": ("Observation", ["valueString"], "61", "more than one value"),
    "code gone": ("Observation", ["code"], KeyError, "code is missing"),
    "gender": ("Patient", ["gender"], "banana", "gender 'banana'"),
    "empty text": ("Patient", ["name", 0, "text"], "", "is empty"),
    "device": ("Device", ["status"], "on", "status 'on'"),
    "kind": (None, ["entry", 0, "resource", "resourceType"], "Basic", "not exported"),
    "address": (None, ["entry", 0, "fullUrl"], "http://example.org/1", "not a urn:uuid"),
    "type": (None, ["type"], "batch", 'not "collection"'),
    "entries": (None, ["entry"], [], "entry is empty"),
}


class TestRules:
    @pytest.mark.parametrize("name", BROKEN)
    def test_each_rule_finds_its_break(self, name):
        kind, path, value, message = BROKEN[name]
        good = write_case_fhir(make_case())
        assert check_bundle(good) == ()
        broken = set_at(good, kind, path, value)
        assert any(message in problem for problem in check_bundle(broken)), check_bundle(broken)
        with pytest.raises(InputError, match="not exported"):
            require_valid(broken)

    def test_a_structural_reader_lets_the_worst_through(self):
        """Why the rules exist: should this fail, the library has learnt to check them."""
        module = pytest.importorskip("fhir.resources.R4B.bundle", reason="fhir.resources is in the extra test")
        for name in ("status", "risk above 1"):
            kind, path, value, _ = BROKEN[name]
            module.Bundle.model_validate(set_at(write_case_fhir(make_case()), kind, path, value))

    def test_a_vital_sign_needs_its_day(self):
        bundle = write_case_fhir(make_case())
        for entry in bundle["entry"]:
            if "effectiveDateTime" in entry["resource"]:
                entry["resource"]["effectiveDateTime"] = "2026-05"
        assert any("vs-1" in problem for problem in check_bundle(bundle))

    def test_a_probability_of_a_film_is_checked_too(self):
        bundle = set_at(write_case_fhir(make_film_case()), "Observation", ["valueQuantity", "value"], 1.2)
        assert any("1.2 is not a probability" in problem for problem in check_bundle(bundle))

    @pytest.mark.parametrize("p", [0.0, 1e-9, 1 - 1e-9, 1.0])
    def test_the_ends_of_the_range(self, p):
        case = make_case(risk=make_risk(p=p, lo=0.0, hi=1.0))
        assert check_bundle(json.loads(json.dumps(write_case_fhir(case)))) == ()

"""Scoring a file: a stand-in model, real reading, real journal, real output files."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest
from actors import TESTER

from medcore.conditions.catalog import find_condition
from medcore.errors import ExplanationError, StorageError, TableError, UnknownNameError
from medcore.journal import Journal
from medcore.records.tables import TableLimits, open_table
from medcore.results import Applicability, Explanation, Reason, Status
from medcore.services.training import cohort as training_cohort
from medcore.services.training.cohort import Cohort, Counts, open_cohort, write_csv

CONDITION = find_condition("diabetes")
NAMES = CONDITION.schema.input_names
AGE = NAMES.index("age_years")
UNUSUAL_AGE, RARE_AGE = 77.0, 78.0


class StandInRisk:
    """Risk = age / 100; caution at 77, withheld at 78."""

    manifest = SimpleNamespace(studied={"age_years": (20.0, 80.0)})
    calibrator = SimpleNamespace(level=0.9)
    calls = 0

    @property
    def applicability(self):
        return self

    def check_many(self, X):
        states = {UNUSUAL_AGE: "caution", RARE_AGE: "withheld"}
        return np.array([states.get(age, "scored") for age in X[:, AGE]]), np.zeros(len(X))

    def check(self, row, extra_reasons=()):
        return Applicability(status=Status.CAUTION, reasons=(Reason(code="distance", text="Unusual."),))

    def risk(self, X):
        p = X[:, AGE] / 100
        return SimpleNamespace(p=p, lo=p - 0.05, hi=p + 0.05)


class StandInModel:
    risk_model = StandInRisk()
    facts = SimpleNamespace(model_id="stand-in", condition="diabetes", sha256="ab" * 32, thresholds={"default": 0.5})

    def explain(self, record):
        if record.values["age_years"] == 66:
            raise ExplanationError("no explanation today")
        p = record.values["age_years"] / 100
        return Explanation(
            base=0.4,
            contributions={"age_years": p - 0.4},
            standard_error={"age_years": 0.0},
            p_calibrated=p,
            n_coalitions=2,
        )


@pytest.fixture
def cohort(tmp_path):
    with Journal(tmp_path / "data") as journal:
        yield Cohort(model=StandInModel(), condition=CONDITION, journal=journal, actor=TESTER)


def write(tmp_path, text, name="patients.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def required(age, **other):
    """A row with every required field answered so that a score is possible."""
    values = {item.name: "" for item in CONDITION.schema.fields}
    for example in CONDITION.examples:
        typed = {name: text for name, text in example.values.items() if name not in example.units}
        if not CONDITION.population_limits(numbers(typed)):
            values.update({item.name: typed[item.name] for item in CONDITION.schema.fields if item.required})
            break
    return {**values, "age_years": str(age), **other}


def numbers(typed):
    from medcore.records import read_record

    return read_record(CONDITION.schema, typed).record.values


def table(rows):
    names = ["patient_id", *rows[0]]
    lines = [",".join(names)] + [",".join([f"p{i}", *row.values()]) for i, row in enumerate(rows)]
    return "\n".join(lines) + "\n"


def score(cohort, path, **options):
    counts = Counts()
    rows = [row for chunk in cohort.score(path, counts=counts, **options) for row in chunk]
    return rows, counts


def test_every_row_gets_its_state_and_the_counts_add_up(cohort, tmp_path):
    rows = [required(50), required(UNUSUAL_AGE), required(RARE_AGE), required("abc"), required(""), required(40)]
    found, counts = score(cohort, write(tmp_path, table(rows)))
    assert [row["status"] for row in found] == ["scored", "caution", "withheld", "error", "withheld", "scored"]
    assert [row["id"] for row in found] == [f"p{i}" for i in range(6)]
    assert counts == {"scored": 2, "caution": 1, "withheld": 2, "error": 1}
    assert counts.total() == len(rows)
    assert counts.n_usable == 5
    assert str(counts) == "6 rows: 2 scored, 1 caution, 2 withheld, 1 error"


def test_a_scored_row(cohort, tmp_path):
    (row,), _ = score(cohort, write(tmp_path, table([required(50)])))
    assert row == {
        "id": "p0", "status": "scored", "p": 0.5, "lo": 0.45, "hi": 0.55, "level": 0.9, "label": "positive",
        "model": "stand-in", "sha256": "ab" * 32, "reasons": [],
    }  # fmt: skip


def test_a_withheld_row_has_no_number_and_a_reason(cohort, tmp_path):
    rows, _ = score(cohort, write(tmp_path, table([required(RARE_AGE), required("")])))
    for row in rows:
        assert (row["p"], row["lo"], row["hi"], row["label"]) == (None, None, None, None)
        assert row["reasons"][0]["text"]
    assert rows[1]["reasons"][0]["code"] == "required_missing"


def test_an_unreadable_row_says_why(cohort, tmp_path):
    (row, _), _ = score(cohort, write(tmp_path, table([required("abc"), required(50)])))
    assert set(row) == {"id", "status", "error", "code", "field"}
    assert row["code"] == "NotANumber"
    assert row["field"] == "age_years"
    assert "'abc'" in row["error"]


def test_a_number_that_fits_another_unit_is_set_aside(cohort, tmp_path, monkeypatch):
    item = next(item for item in CONDITION.schema.fields if item.other_units and item.possible and item.name in NAMES)
    other = item.other_units[0]
    lo, hi = item.possible
    typed = next(
        value
        for value in np.linspace(lo, hi, 400)
        if lo < other.to_canonical(value) < hi and other.to_canonical(value) != value
    )
    inside = other.to_canonical(typed)
    studied = {item.name: (inside - 1e-6, inside + 1e-6)}
    monkeypatch.setattr(cohort.model.risk_model, "manifest", SimpleNamespace(studied=studied))
    (row,), _ = score(cohort, write(tmp_path, table([required(50, **{item.name: repr(float(typed))})])))
    assert row["status"] == "withheld"
    assert row["reasons"][0]["code"] == "unit_question"
    assert row["reasons"][0]["field"] == item.name


@pytest.mark.parametrize(
    ("column", "status"),
    [("total_cholesterol_mg_dl", "withheld"), ("total_cholesterol_mg_dl[mg/dL]", "scored")],
)
def test_a_unit_in_the_header_answers_the_question(cohort, tmp_path, monkeypatch, column, status):
    studied = {"total_cholesterol_mg_dl": (2000.0, 4000.0)}
    monkeypatch.setattr(cohort.model.risk_model, "manifest", SimpleNamespace(studied=studied))
    text = table([required(50, total_cholesterol_mg_dl="77")]).replace("total_cholesterol_mg_dl", column)
    (row,), _ = score(cohort, write(tmp_path, text))
    assert row["status"] == status


@pytest.mark.parametrize(("weight", "status"), [("196", "withheld"), ("96", "scored")])
def test_a_unit_mix_up_in_an_aid_is_set_aside(cohort, tmp_path, weight, status):
    (row,), _ = score(cohort, write(tmp_path, table([required(50, weight_kg=weight)])))
    assert row["status"] == status
    assert [reason["field"] for reason in row["reasons"]] == ["weight_kg"] * (status == "withheld")


def test_explanations_add_up_and_their_failure_keeps_the_score(cohort, tmp_path):
    rows, _ = score(cohort, write(tmp_path, table([required(50), required(66), required(RARE_AGE)])), explain=True)
    assert rows[0]["base"] + sum(rows[0]["contributions"].values()) == pytest.approx(rows[0]["p"])
    assert rows[1]["p"] == 0.66
    assert rows[1]["contributions"] is None
    assert rows[1]["explanation_error"] == "no explanation today"
    assert rows[2]["contributions"] is None


def test_each_chunk_is_journalled_before_it_is_handed_out(cohort, tmp_path):
    path = write(tmp_path, table([required(50), required("abc")]))
    seen = []
    for rows in cohort.score(path, counts=Counts()):
        seen.append((len(rows), cohort.journal.events()[0]))
    ((n, event),) = seen
    assert n == event.n_records == 2
    assert event.actor == "local:test"
    assert event.action == "predict_file"
    assert event.outcome == "error:1 scored:1"
    assert event.model_id == "stand-in"


def test_nothing_is_handed_out_when_the_journal_fails(cohort, tmp_path):
    def refuse(_):
        raise StorageError("full")

    object.__setattr__(cohort, "journal", SimpleNamespace(record=refuse))
    counts = Counts()
    with pytest.raises(StorageError, match="full"):
        list(cohort.score(write(tmp_path, table([required(50)])), counts=counts))
    assert not counts


def test_ignored_columns_and_repeated_ids_are_mentioned(cohort, tmp_path):
    rows = [{**required(50), "ward": "3"}, {**required(51), "ward": "4"}]
    text = table(rows).replace("p1,", "p0,")
    notes = []
    score(cohort, write(tmp_path, text), note=notes.append)
    assert notes == [
        "patients.csv: columns ignored: ward",
        "patients.csv: 1 patient_id values stand in more than one row",
    ]


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n", b"nothing,known\n1,2\n"])
def test_what_is_no_table_is_refused(cohort, tmp_path, content):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(TableError):
        score(cohort, path)


def test_a_file_of_ten_million_rows_is_not_too_long_and_an_endless_one_is(cohort, tmp_path, monkeypatch):
    assert training_cohort._LIMITS.max_rows >= 10_000_000
    monkeypatch.setattr(training_cohort, "_LIMITS", TableLimits(max_rows=2, chunk_rows=2))
    with pytest.raises(TableError, match="more than 2 rows"):
        score(cohort, write(tmp_path, table([required(50)] * 3)))


def test_csv_output(cohort, tmp_path):
    rows = [required(50), required("abc"), required(RARE_AGE)]
    found, _ = score(cohort, write(tmp_path, table(rows)), explain=True)
    found[0]["id"] = "=1+1"
    with write_csv(tmp_path / "out.csv", ["age_years"]) as sink:
        sink(found)
        assert not (tmp_path / "out.csv").exists()
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as stream:
        read = list(csv.DictReader(stream))
    assert [row["status"] for row in read] == ["scored", "error", "withheld"]
    assert read[0]["id"] == "'=1+1"
    assert float(read[0]["base"]) + float(read[0]["contribution:age_years"]) == pytest.approx(0.5)
    assert "'abc'" in read[1]["error"]
    assert read[2]["p"] == ""
    assert (tmp_path / "out.csv").stat().st_mode & 0o077 == 0


def test_output_is_complete_or_absent(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("old")

    def stop_half_way():
        with write_csv(path) as sink:
            sink([{"id": "1", "status": "scored"}])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_half_way()
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["out.csv"]


@pytest.mark.parametrize("name", ["missing/out.csv", "."])
def test_output_that_cannot_be_written(tmp_path, name):
    with pytest.raises(StorageError), write_csv(tmp_path / name):
        pass


def test_unknown_names(tmp_path):
    settings = SimpleNamespace(models_dir=tmp_path, data_dir=tmp_path / "data")
    with pytest.raises(UnknownNameError, match="condition"), open_cohort("gout", settings=settings):
        pass
    with pytest.raises(UnknownNameError, match="no usable model"), open_cohort("diabetes", settings=settings):
        pass
    with pytest.raises(UnknownNameError, match="no model"), open_cohort("diabetes", model_id="x", settings=settings):
        pass


def test_many_rows_are_quick(cohort, tmp_path):
    import time

    header, row, _ = table([required(50)]).split("\n")
    path = write(tmp_path, "\n".join([header, *[row] * 20_000]) + "\n")
    start = time.perf_counter()
    with open_table(path, CONDITION.schema, derive=CONDITION.derive) as opened:
        read = sum(len(chunk) for chunk in opened.chunks())
    reading = time.perf_counter() - start
    _, counts = score(cohort, path)
    assert read == counts["scored"] == 20_000
    assert time.perf_counter() - start < 30, f"reading alone took {reading:.1f} s"

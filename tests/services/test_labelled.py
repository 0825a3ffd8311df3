"""An uploaded labelled table: read, scored and compared on the spot; every bad file a clear sentence."""

import os

import numpy as np
import pytest
from fake_models import make_house
from upload_tables import make_rows, write_table

from medcore.conditions.catalog import find_condition
from medcore.errors import ArtifactError, InputError, MedcoreError, StorageError, TableError, UnknownNameError
from medcore.evaluation import auroc, brier
from medcore.registry import Catalog
from medcore.services.compare import labelled
from medcore.services.compare.analysis_child import AnalysisProcess
from medcore.services.compare.labelled import measure_upload_groups, restate_upload, score_upload
from medcore.services.model_child import LocalGateway

IDS = ["diabetes-logistic", "diabetes-forest"]


@pytest.fixture(scope="module")
def analysis():
    process = AnalysisProcess()
    yield process
    process.close()


@pytest.fixture(scope="module")
def gateway(shelf):
    return LocalGateway(shelf.folder)


@pytest.fixture
def house(shelf, gateway, analysis, tmp_path):
    from dataclasses import replace

    return replace(make_house(tmp_path, catalog=Catalog(shelf.folder), gateway=gateway), analysis=analysis)


class TestUpload:
    def test_figures_are_those_of_the_rows(self, house, gateway):
        found = score_upload(house, write_table(), "mine.csv", "diabetes", IDS)
        assert found.counts.rows == 300
        assert found.counts.scored == found.y.size == found.comparison.n
        assert found.counts.scored + found.counts.withheld + found.counts.errors == 300
        assert found.counts.scored > 200
        for name in IDS:
            board = found.comparison.board[name]
            assert board["brier"].value == pytest.approx(brier(found.y, found.p[name]))
            assert board["auroc"].value == pytest.approx(auroc(found.y, found.p[name]))
        assert found.comparison.source.endswith("of your file mine.csv")
        assert {item.model_id for item in found.comparison.models} == set(IDS)

    def test_scores_are_the_models_own(self, house, gateway):
        found = score_upload(house, write_table(40), "mine.csv", "diabetes", IDS[:1])
        X = make_rows(40, 5).X
        statuses, _ = gateway._model(IDS[0]).risk_model.applicability.check_many(X)
        expected = gateway.score_rows(IDS[0], X).p[statuses != "withheld"]
        assert found.counts.errors == 0
        assert found.p[IDS[0]] == pytest.approx(expected, abs=1e-9)

    def test_it_is_journalled_with_counts_and_without_values(self, house):
        content = write_table()
        found = score_upload(house, content, "mine.csv", "diabetes", IDS)
        events = house.journal.events()
        assert {event.model_id for event in events} == set(IDS)
        assert {event.action for event in events} == {"score_upload"}
        assert {event.n_records for event in events} == {300}
        assert f"scored:{found.counts.scored}" in events[0].outcome
        assert b"mine" not in house.journal.path.read_bytes()

    def test_nothing_is_shown_when_the_journal_cannot_be_written(self, house):
        house.journal.events()
        house.journal.path.unlink()
        with pytest.raises(StorageError):
            score_upload(house, write_table(), "mine.csv", "diabetes", IDS[:1])

    def test_nothing_is_stored(self, house, tmp_path):
        score_upload(house, write_table(), "mine.csv", "diabetes", IDS[:1])
        assert {path.name.split(".")[0] for path in tmp_path.rglob("*") if path.is_file()} == {"journal"}

    def test_progress_rises_to_the_end(self, house):
        told = []
        score_upload(
            house, write_table(), "a.csv", "diabetes", IDS, progress=lambda share, words: told.append((share, words))
        )
        shares = [share for share, _ in told]
        assert shares == sorted(shares)
        assert (shares[0], shares[-1]) == (0.0, 1.0)
        assert all(words for _, words in told)

    def test_it_can_be_cancelled_and_the_next_one_works(self, house):
        assert score_upload(house, write_table(), "a.csv", "diabetes", IDS, is_cancelled=lambda: True) is None
        assert house.journal.events() == ()
        assert score_upload(house, write_table(), "a.csv", "diabetes", IDS[:1]) is not None

    def test_many_batches(self, house):
        n = 12_000
        found = score_upload(house, write_table(n), "a.csv", "diabetes", IDS[:1])
        assert found.counts.rows == n
        assert found.p[IDS[0]].size == found.y.size == found.counts.scored

    def test_exactly_one_full_batch(self, house):
        assert score_upload(house, write_table(10_000), "a.csv", "diabetes", IDS[:1]).counts.rows == 10_000


class TestRows:
    def test_bad_rows_are_listed_and_the_rest_is_scored(self, house):
        changes = {
            (3, "age_years"): "old",
            (4, "label"): "perhaps",
            (5, "label"): "",
            (6, "height_cm"): "9999",
            (7, "already_diagnosed"): "yes",
            (8, "bmi_kg_m2"): "NaN",
        }
        found = score_upload(house, write_table(changes=changes), "a.csv", "diabetes", IDS[:1])
        assert [item.row_id for item in found.errors][:4] == ["4", "5", "6", "7"]
        assert found.counts.errors == len(found.errors) == 4
        assert "'perhaps' is not 1" in found.errors[1].text
        assert "label is blank" in found.errors[2].text
        assert any(item.n == 1 for item in found.withheld)

    def test_only_the_first_twenty_errors_are_listed(self, house):
        changes = {(i, "label"): "x" for i in range(40)}
        found = score_upload(house, write_table(changes=changes), "a.csv", "diabetes", IDS[:1])
        assert (found.counts.errors, len(found.errors)) == (40, 20)

    def test_rows_of_one_patient_go_together_and_copies_are_named(self, house):
        ids = [f"P{i // 2}" for i in range(300)]
        found = score_upload(house, write_table(ids=ids), "a.csv", "diabetes", IDS[:1])
        assert found.counts.duplicate_ids == 150
        assert found.comparison.n_patients < found.comparison.n
        assert any("one patient's" in note for note in found.notes)
        head, *rows = write_table(ids=[f"P{i}" for i in range(300)]).decode().splitlines()
        twice = "\n".join([head, *rows, *rows[:7]]).encode()
        copies = score_upload(house, twice, "a.csv", "diabetes", IDS[:1])
        assert copies.counts.repeated_rows == 7
        assert any("exact copies" in note for note in copies.notes)

    def test_columns_to_divide_by(self, house):
        rng = np.random.default_rng(0)
        extra = {
            "Site": rng.choice(["north", "south"], 300).tolist(),
            "ward": ["solo"] * 3 + rng.choice(["a", "b"], 297).tolist(),
            "note": [f"text {i}" for i in range(300)],
            "same": ["x"] * 300,
        }
        found = score_upload(house, write_table(extra=extra), "a.csv", "diabetes", IDS)
        assert set(found.attributes) == {"age_band", "sex", "site", "ward"}
        assert "others (small groups)" in found.attributes["ward"].words
        rows = measure_upload_groups(house, found, cut_off=0.4)[IDS[0]]
        site = {row.group: row for row in rows if row.attribute == "site"}
        inside = found.attributes["site"].texts() == "north"
        assert site["north"].n == inside.sum()
        called = found.p[IDS[0]][inside & (found.y == 1)] >= 0.4
        assert site["north"].metrics["sensitivity"].value == pytest.approx(called.mean())
        assert {"site", "ward", "note", "same"} <= set(found.extra)

    def test_blanks_and_drift(self, house):
        changes = {(i, "hdl_mg_dl"): "" for i in range(0, 300, 2)}
        found = score_upload(house, write_table(changes=changes), "a.csv", "diabetes", IDS)
        rows = {(row.attribute, row.group): row for row in found.blanks[IDS[0]]}
        label = find_condition("diabetes").schema["hdl_mg_dl"].label
        assert rows[label, "blank"].n + rows[label, "known"].n == found.y.size
        assert rows[label, "blank"].n > 100
        assert set(rows[label, "blank"].metrics) == {"auroc", "brier", "calibration_intercept"}
        assert sum(row.n for (what, _), row in rows.items() if what == "blank fields") == found.y.size
        drift = {item.field: item for item in found.drift}
        assert set(drift) == set(find_condition("diabetes").schema.input_names)
        assert drift["hdl_mg_dl"].share_blank > 0.4 > drift["hdl_mg_dl"].share_blank_reference

    def test_another_prevalence(self, house):
        found = score_upload(house, write_table(), "a.csv", "diabetes", IDS)
        again = restate_upload(house, found, prevalence=0.05)
        direct = score_upload(house, write_table(), "a.csv", "diabetes", IDS, prevalence=0.05).comparison
        assert again.prevalence == direct.prevalence == 0.05
        for name in IDS:
            assert again.board[name] == direct.board[name]
        assert restate_upload(house, found, prevalence=None).board == found.comparison.board


class TestBadFiles:
    @pytest.mark.parametrize(
        ("content", "error", "words"),
        [
            (b"", TableError, "empty"),
            (b"a,b\n1,2\n", TableError, "field name"),
            (b"age_years,sex\n50,male\n", TableError, "label"),
            (b"age_years,label\n", TableError, "no rows"),
            (b"PK\x03\x04rest", TableError, "Excel"),
            (b"age_years,age_years,label\n1,2,1\n", TableError, "twice"),
            (bytes(range(256)) * 50, MedcoreError, "not text"),
        ],
    )
    def test_what_is_no_labelled_table(self, house, content, error, words):
        with pytest.raises(error, match=words):
            score_upload(house, content, "a.csv", "diabetes", IDS[:1])
        assert house.journal.events() == ()

    def test_one_outcome_only(self, house):
        with pytest.raises(InputError, match="fewer than 2"):
            score_upload(house, write_table(label=[0] * 300), "a.csv", "diabetes", IDS[:1])

    def test_two_rows(self, house):
        with pytest.raises(InputError, match="rows"):
            score_upload(house, write_table(2, label=[0, 1]), "a.csv", "diabetes", IDS[:1])

    def test_labels_as_text(self, house):
        with pytest.raises(InputError, match=r"nothing to measure.*'ill'"):
            score_upload(house, write_table(label=["ill"] * 300), "a.csv", "diabetes", IDS[:1])

    def test_a_million_rows_are_refused_at_once(self, house):
        with pytest.raises(TableError, match="200,000"):
            score_upload(house, b"age_years,label\n" + b"1,1\n" * 1_000_000, "a.csv", "diabetes", IDS[:1])

    def test_a_few_rows_too_many(self, house, monkeypatch):
        monkeypatch.setattr(labelled, "MOST_ROWS", 250)
        with pytest.raises(TableError, match="more than 250 rows"):
            score_upload(house, write_table(), "a.csv", "diabetes", IDS[:1])

    @pytest.mark.parametrize(
        ("condition", "ids", "error"),
        [
            ("diabetes", [], InputError),
            ("diabetes", ["diabetes-oracle"], UnknownNameError),
            ("diabetes", ["heart_disease-logistic"], InputError),
            ("pneumonia", IDS[:1], InputError),
        ],
    )
    def test_wrong_models(self, house, condition, ids, error):
        with pytest.raises(error):
            score_upload(house, write_table(), "a.csv", condition, ids)

    def test_a_model_replaced_meanwhile(self, house, monkeypatch):
        monkeypatch.setattr(house.gateway, "score_rows", _raise_replaced)
        with pytest.raises(ArtifactError, match="replaced"):
            score_upload(house, write_table(), "a.csv", "diabetes", IDS[:1])


class TestProcess:
    def test_a_killed_helper_is_one_typed_error_and_the_next_upload_works(self, house, gateway, monkeypatch):
        score_upload(house, write_table(), "a.csv", "diabetes", IDS[:1])
        real = type(gateway).score_rows

        def kill(self, *arguments, **more):
            os.kill(house.analysis.pid, 9)
            return real(self, *arguments, **more)

        monkeypatch.setattr(type(gateway), "score_rows", kill)
        with pytest.raises(MedcoreError):
            score_upload(house, write_table(), "a.csv", "diabetes", IDS[:1])
        monkeypatch.setattr(type(gateway), "score_rows", real)
        assert score_upload(house, write_table(), "a.csv", "diabetes", IDS[:1]) is not None

    def test_it_needs_no_heavy_library(self):
        import subprocess
        import sys

        code = (
            "import sys; from medcore.services.compare.analysis_child import make_handler; make_handler();"
            "import medcore.services.compare.labelled, medcore.services.compare.comparing;"
            "heavy = {'tensorflow', 'keras', 'sklearn', 'shap', 'PIL'} & {n.split('.')[0] for n in sys.modules};"
            "sys.exit(str(heavy) if heavy else 0)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def _raise_replaced(*_, **__):
    raise ArtifactError("it has been replaced in the meantime: start again")

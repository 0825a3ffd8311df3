"""What each loader promises: counts, checksums, missing values, and errors that say what to do. No row is quoted."""

import hashlib

import numpy as np
import pytest

from medcore.config import read_settings
from medcore.datasets.breast_cancer import BREAST_CANCER_FIELDS, load_breast_cancer_table
from medcore.datasets.heart_disease import HEART_DISEASE_FIELDS, load_heart_disease_table
from medcore.datasets.nhanes import NHANES_FIELDS, load_nhanes_table
from medcore.datasets.support2 import SUPPORT2_FIELDS, load_support2_table
from medcore.errors import TableError

DATA = read_settings().training_data_dir
LOADERS = {
    "breast_cancer": (load_breast_cancer_table, BREAST_CANCER_FIELDS, 569, 212, 569, 212),
    "heart_disease": (load_heart_disease_table, HEART_DISEASE_FIELDS, 596, 245, 596, 245),
    "nhanes": (load_nhanes_table, NHANES_FIELDS, 5050, 1026, 4214, 190),
    "support2": (load_support2_table, SUPPORT2_FIELDS, 7284, 3386, 7284, 3386),
}


@pytest.fixture(scope="module", params=LOADERS)
def case(request):
    loader, *expected = LOADERS[request.param]
    return loader, loader(DATA), *expected


@pytest.mark.data
def test_counts(case):
    _, table, fields, n, events, n_eligible, eligible_events = case
    assert table.field_names == fields
    assert table.X.shape == (n, len(fields))
    assert int(table.y.sum()) == events
    assert int(table.eligible.sum()) == n_eligible
    assert int(table.y[table.eligible].sum()) == eligible_events
    assert set(np.unique(table.y)) == {0, 1}


@pytest.mark.data
def test_docstring_states_counts_licence_source_and_checksum(case):
    loader, table, _, n, events, *_ = case
    text = loader.__doc__.replace(",", "")
    for part in (f"{n}", f"{events}", "Licence", "Source", "Events", "Endpoint", *table.provenance.sha256.values()):
        assert part in text or part.lower() in text.lower(), part


@pytest.mark.data
def test_no_infinities_and_no_empty_column(case):
    table = case[1]
    assert not np.isinf(table.X).any()
    assert not np.isnan(table.X).all(axis=0).any()


@pytest.mark.data
def test_groups_name_every_row(case):
    table = case[1]
    for names in table.groups.values():
        assert len(names) == len(table.y)
        assert "" not in set(names)


@pytest.mark.data
def test_heart_gaps_belong_to_the_centre():
    table = load_heart_disease_table(DATA)
    gaps = np.isnan(table.X)[:, [HEART_DISEASE_FIELDS.index(name) for name in ("fluoroscopy_vessels", "thallium")]]
    budapest = table.groups["site"] == "Budapest"
    assert gaps[budapest].any(axis=1).mean() > 0.98
    assert gaps[~budapest].any(axis=1).mean() < 0.03
    assert budapest.sum() == 293
    assert len(np.unique(np.nan_to_num(table.X, nan=-1), axis=0)) == len(table.X)


@pytest.mark.data
def test_heart_zero_pressure_or_cholesterol_is_missing():
    table = load_heart_disease_table(DATA)
    for name in ("systolic_mmhg", "cholesterol_mg_dl"):
        assert np.nanmin(table.X[:, HEART_DISEASE_FIELDS.index(name)]) > 0


@pytest.mark.data
def test_nhanes_told_rows_are_positive_and_never_eligible():
    table = load_nhanes_table(DATA)
    assert table.y[~table.eligible].all()
    assert int(table.secondary["any_diabetes"].sum()) == 1026
    hours = (
        table.X[:, NHANES_FIELDS.index("sleep_hours")] + table.X[:, NHANES_FIELDS.index("sedentary_min_per_day")] / 60
    )
    assert np.nanmax(hours) <= 24


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "lo", "hi"),
    [
        ("albumin_g_dl", 0.5, 7),
        ("pao2_fio2_mmhg", 20, 700),
        ("mean_bp_mmhg", 10, 250),
        ("heart_rate_bpm", 10, 300),
        ("respiratory_rate", 2, 90),
        ("glucose_mg_dl", 10.5, 2000),
    ],
)
def test_support_artefacts_are_missing(name, lo, hi):
    column = load_support2_table(DATA).X[:, SUPPORT2_FIELDS.index(name)]
    assert np.nanmin(column) >= lo
    assert np.nanmax(column) <= hi


@pytest.mark.data
def test_support_keeps_anuria_and_aplasia():
    table = load_support2_table(DATA)
    for name in ("urine_ml_day", "wbc_10e9_l"):
        assert np.nanmin(table.X[:, SUPPORT2_FIELDS.index(name)]) == 0


def test_support_never_reads_the_leaking_columns():
    forbidden = ("sps", "surv", "dnr", "sfdm", "race", "income", "adl", "edu")
    assert not [name for name in SUPPORT2_FIELDS if any(part in name for part in forbidden)]


@pytest.mark.parametrize("loader", [load_heart_disease_table, load_nhanes_table, load_support2_table])
def test_absent_file_says_where_to_get_it(loader, tmp_path):
    with pytest.raises(TableError, match=r"Get it from .* --data"):
        loader(tmp_path)


@pytest.mark.parametrize(
    ("loader", "path"),
    [
        (load_heart_disease_table, "heart_disease/processed.cleveland.data"),
        (load_nhanes_table, "nhanes_2017_2018/adults_extract.csv"),
        (load_support2_table, "support2/support2.csv.gz"),
    ],
)
def test_altered_file_is_refused(loader, path, tmp_path):
    file = tmp_path / path
    file.parent.mkdir()
    file.write_bytes(b"1,2,3\n")
    with pytest.raises(TableError, match="not the one this version was checked with") as caught:
        loader(tmp_path)
    assert caught.value.value == hashlib.sha256(b"1,2,3\n").hexdigest()

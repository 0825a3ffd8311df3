import io
import time

import numpy as np
import pytest

from medcore.errors import InputError, IntegrityError
from medcore.inference.applicability import ApplicabilityModel, fit_applicability
from medcore.records import Choice, Field, FieldKind, Schema
from medcore.results import Reason, Status

_CHOICES = tuple(Choice(code=code, word=word, label=word) for code, word in enumerate(("none", "some", "rare")))


def number(name, **more):
    return Field(name=name, label=name.capitalize(), group="g", unit="u", decimals=1, **more)


SCHEMA = Schema(
    (
        number("weight"),
        number("waist"),
        number("marker", transform="log"),
        number("count", transform="sqrt"),
        number("pressure"),
        Field(name="group", label="Group", group="g", kind=FieldKind.CHOICE, choices=_CHOICES),
    )
)


def patients(n, seed):
    """Weight and waist go together, the marker is log-normal, pressure has two peaks with a gap between them."""
    rng = np.random.default_rng(seed)
    size = rng.normal(size=n)
    X = np.column_stack(
        [
            80 + 15 * size + 4 * rng.normal(size=n),
            95 + 12 * size + 4 * rng.normal(size=n),
            np.exp(0.3 + 0.8 * rng.normal(size=n)),
            rng.poisson(6.0, n),
            np.where(rng.random(n) < 0.5, 65.0, 110.0) + 5 * rng.normal(size=n),
            rng.choice(3, n, p=[0.7, 0.27, 0.03]),
        ]
    )
    X[rng.random(X.shape) < [0.02, 0.05, 0.3, 0.05, 0.02, 0.05]] = np.nan
    return X


@pytest.fixture(scope="module")
def model():
    X = patients(3000, 0)
    return fit_applicability(X, SCHEMA, np.arange(3000) % 10)


USUAL = np.array([80.0, 95.0, 1.4, 6.0, 88.0, 0.0])


class TestRates:
    def test_new_patients_of_the_same_study(self, model):
        statuses, percentiles = model.check_many(patients(40_000, 1))
        assert np.mean(statuses == "withheld") <= 0.005
        assert np.mean(statuses != "scored") <= 0.07
        assert np.mean(statuses != "scored") >= 0.03
        assert np.mean(percentiles > 97.5) == pytest.approx(0.025, abs=0.008)

    @pytest.mark.parametrize("n_known", [4, 5, 6])
    def test_percentiles_are_even_whatever_is_known(self, model, n_known):
        X = patients(60_000, 2)
        X = X[np.isfinite(X).sum(axis=1) == n_known]
        percentiles = model.check_many(X)[1]
        assert np.quantile(percentiles, [0.25, 0.5, 0.9]) == pytest.approx([25, 50, 90], abs=4)

    def test_a_small_study_keeps_its_rates(self):
        rates = []
        for seed in range(6):
            small = fit_applicability(patients(300, seed), SCHEMA, np.arange(300) % 5)
            statuses = small.check_many(patients(4000, 100 + seed))[0]
            rates.append((np.mean(statuses == "withheld"), np.mean(statuses != "scored")))
        withheld, flagged = np.mean(rates, axis=0)
        assert withheld <= 0.01
        assert flagged <= 0.08

    def test_units_mixed_up_are_caught(self, model):
        rng = np.random.default_rng(3)
        X = patients(2000, 4)
        wrong = X.copy()
        column = rng.integers(0, 2, len(X))
        factor = np.where(column == 0, 2.205, 0.394)  # pounds for kilograms, inches for centimetres
        wrong[np.arange(len(X)), column] *= factor
        wrong = wrong[~np.isnan(wrong[np.arange(len(X)), column])]
        assert np.mean(model.check_many(wrong)[0] != "scored") >= 0.9


class TestMeaning:
    def test_the_middle_of_the_study_is_scored(self, model):
        got = model.check(USUAL)
        assert (got.status, got.reasons, got.n_known, got.n_fields) == (Status.SCORED, (), 6, 6)

    def test_a_value_in_the_gap_between_two_peaks_is_no_reason(self, model):
        """Nobody had a pressure of 88; being central must not trigger (SUPPORT's most abnormal values of the day)."""
        assert model.check(USUAL).distance_percentile < 50

    def test_each_value_usual_but_not_together(self, model):
        odd = USUAL.copy()
        odd[:2] = 105.0, 75.0
        got = model.check(odd)
        assert got.status is Status.WITHHELD
        assert [reason.text for reason in got.reasons] == [
            "This combination of values is rarer than 99.9 % of the study's patients."
        ]

    def test_a_value_far_outside_names_field_value_and_range(self, model):
        odd = USUAL.copy()
        odd[3] = 60.0
        reason = next(reason for reason in model.check(odd).reasons if reason.code == "outside_studied")
        assert reason.field == "count"
        assert reason.text.startswith("Count 60.0 u is far outside the studied range (")
        assert model.studied[3] == pytest.approx([1.0, 12.0], abs=1.0)

    def test_many_blanks(self, model):
        row = np.full(6, np.nan)
        row[0] = 80.0
        got = model.check(row)
        assert got.status is Status.CAUTION
        assert got.reasons[0].code == "many_gaps"
        assert "5 of 6 fields are not known" in got.reasons[0].text

    def test_nothing_known_has_no_percentile(self, model):
        got = model.check(np.full(6, np.nan))
        assert (got.status, got.distance_percentile, got.n_known) == (Status.CAUTION, None, 0)

    @pytest.mark.parametrize(
        ("code", "status"),
        [
            ("population", Status.WITHHELD),
            ("required_missing", Status.WITHHELD),
            ("outside_possible", Status.WITHHELD),
            ("something_to_know", Status.CAUTION),
        ],
    )
    def test_reasons_from_elsewhere(self, model, code, status):
        extra = Reason(code=code, text="Because.")
        got = model.check(USUAL, (extra,))
        assert (got.status, got.reasons) == (status, (extra,))

    def test_one_row_and_many_rows_agree(self, model):
        X = patients(200, 5)
        statuses, percentiles = model.check_many(X)
        single = [model.check(row) for row in X]
        assert [item.status.value for item in single] == statuses.tolist()
        assert [item.distance_percentile for item in single] == pytest.approx(percentiles.tolist())

    def test_a_rare_choice_alone_is_no_reason(self, model):
        row = USUAL.copy()
        row[5] = 2.0
        assert model.check(row).status is not Status.WITHHELD


class TestStorage:
    def test_round_trip_through_a_file(self, model):
        file = io.BytesIO()
        np.savez(file, **model.to_arrays(), other=np.zeros(3))
        file.seek(0)
        with np.load(file, allow_pickle=False) as arrays:
            again = ApplicabilityModel.from_arrays(dict(arrays))
        X = patients(100, 6)
        assert (again.check_many(X)[0] == model.check_many(X)[0]).all()
        assert again.check_many(X)[1] == pytest.approx(model.check_many(X)[1])
        assert again.names == model.names

    def test_no_training_row_is_kept(self, model):
        X = patients(3000, 0)
        rows = {row.tobytes() for row in X}
        for array in model.to_arrays().values():
            if array.ndim == 2 and array.shape[1] == X.shape[1]:
                assert not rows & {row.tobytes() for row in array.astype(np.float64)}

    def test_incomplete_or_bent_arrays_are_refused(self, model):
        arrays = model.to_arrays()
        with pytest.raises(IntegrityError, match="incomplete"):
            ApplicabilityModel.from_arrays({key: value for key, value in arrays.items() if "tail" not in key})
        with pytest.raises(IntegrityError, match="fit together"):
            ApplicabilityModel.from_arrays(arrays | {"applicability_scale": np.ones(2)})
        with pytest.raises(IntegrityError, match="fit together"):
            ApplicabilityModel.from_arrays(arrays | {"applicability_centre": arrays["applicability_centre"] * np.nan})


class TestBadInput:
    @pytest.mark.parametrize("shape", [(5,), (7,)])
    def test_rows_of_another_width(self, model, shape):
        with pytest.raises(InputError, match="expected"):
            model.check(np.zeros(shape))

    def test_infinite_values(self, model):
        with pytest.raises(InputError, match="infinite"):
            model.check_many(np.full((2, 6), np.inf))

    def test_training_rows(self):
        X = patients(100, 0)
        with pytest.raises(InputError, match="do not fit"):
            fit_applicability(X[:, :5], SCHEMA, np.zeros(100))
        with pytest.raises(InputError, match="at least"):
            fit_applicability(X, SCHEMA, np.zeros(100))
        with pytest.raises(InputError, match="at least"):
            fit_applicability(X[:40], SCHEMA, np.arange(40) % 5)

    def test_a_field_never_seen_and_a_constant_one(self):
        X = patients(200, 0)
        X[:, 3], X[:, 4] = np.nan, 70.0
        odd = fit_applicability(X, SCHEMA, np.arange(200) % 5)
        row = USUAL.copy()
        row[4] = 70.0
        assert odd.check(row).n_known == 6
        row[4] = 90.0
        assert odd.check(row).status is not Status.SCORED


def test_speed(model):
    X = patients(3000, 7)
    many = X[np.arange(100_000) % len(X)]
    started = time.process_time()
    model.check_many(many)
    middle = time.process_time()
    for row in X[:200]:
        model.check(row)
    assert middle - started < 1.0
    assert (time.process_time() - middle) / 200 < 1e-3

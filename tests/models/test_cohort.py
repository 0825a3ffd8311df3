import numpy as np
import pytest
from scipy.stats import spearmanr

from medcore.errors import InputError
from medcore.models.cohort import draw_cohort, fit_cohort
from medcore.records import Choice, Field, FieldKind, Schema

_YES_NO = (Choice(code=0, word="no", label="No"), Choice(code=1, word="yes", label="Yes"))
_KINDS = tuple(Choice(code=code, word=f"kind {code}", label=f"kind {code}") for code in (1, 2, 5))


def number(name, possible, decimals=0, **more):
    return Field(name=name, label=name, group="g", possible=possible, decimals=decimals, **more)


SCHEMA = Schema(
    (
        number("age_years", (18, 120), required=True),
        number("height_cm", (90, 250)),
        number("weight_kg", (20, 450), 1),
        number("bmi_kg_m2", (8, 120), 1),
        number("systolic_mmhg", (50, 300)),
        number("diastolic_mmhg", (20, 200)),
        number("crp_mg_l", (0, 600), 1),
        Field(name="smoker", label="s", group="g", kind=FieldKind.CHOICE, choices=_YES_NO),
        Field(name="kind", label="k", group="g", kind=FieldKind.CHOICE, choices=_KINDS),
    )
)
NAMES = SCHEMA.input_names


def study(n=1500, seed=0):
    rng = np.random.default_rng(seed)
    age = np.clip(rng.normal(58, 14, n), 18, 95).round()
    height = rng.normal(170, 9, n).round()
    weight = (0.4 * (height - 170) + 78 + 14 * rng.normal(size=n)).clip(40, 180).round(1)
    systolic = (100 + 0.5 * age + 12 * rng.normal(size=n)).round()
    diastolic = (0.6 * systolic + 6 * rng.normal(size=n)).round()
    crp = np.exp(1 + rng.normal(size=n)).round(1)
    smoker = (rng.random(n) < 1 / (1 + np.exp((age - 55) / 8))).astype(float)
    kind = rng.choice([1.0, 2.0, 5.0], n, p=[0.6, 0.3, 0.1])
    X = np.column_stack(
        [age, height, weight, (weight / (height / 100) ** 2).round(1), systolic, diastolic, crp, smoker, kind]
    )
    X[rng.random(n) < 0.3 + 0.4 * (kind == 1), 6] = np.nan
    both = rng.random(n) < 0.15
    X[both, 4], X[both, 5] = np.nan, np.nan
    return X


@pytest.fixture(scope="module")
def training():
    return study()


@pytest.fixture(scope="module")
def cohort(training):
    return draw_cohort(training, SCHEMA, 4000, np.random.default_rng(1))


def column(X, name):
    return X[:, NAMES.index(name)]


def known(X, name):
    values = column(X, name)
    return values[~np.isnan(values)]


class TestPrivacy:
    def test_no_row_equals_a_training_row(self, training, cohort):
        seen = {np.nan_to_num(row, nan=-1.0).tobytes() for row in training}
        assert not seen & {np.nan_to_num(row, nan=-1.0).tobytes() for row in cohort}

    def test_extremes_are_trimmed(self, training, cohort):
        assert known(cohort, "crp_mg_l").max() < known(training, "crp_mg_l").max()
        assert known(cohort, "weight_kg").min() > known(training, "weight_kg").min()

    def test_summaries_are_means_of_several_patients(self):
        X = study(100)
        model = fit_cohort(X, SCHEMA)
        assert all(len(value) <= 20 for value in model.value)

    def test_where_nothing_new_can_be_drawn_there_is_an_error(self):
        schema = Schema((SCHEMA["smoker"],))
        X = np.array([[0.0], [1.0]] * 20)
        with pytest.raises(InputError, match="differ from every training row"):
            draw_cohort(X, schema, 10)


class TestLikeness:
    @pytest.mark.parametrize("name", ["age_years", "height_cm", "weight_kg", "systolic_mmhg", "crp_mg_l"])
    def test_marginals(self, training, cohort, name):
        theirs, ours = known(training, name), known(cohort, name)
        spread = theirs.std()
        levels = [0.1, 0.25, 0.5, 0.75, 0.9]
        assert np.quantile(ours, levels) == pytest.approx(np.quantile(theirs, levels), abs=0.15 * spread)

    def test_gap_rates_and_their_company(self, training, cohort):
        assert np.isnan(cohort).mean(axis=0) == pytest.approx(np.isnan(training).mean(axis=0), abs=0.03)
        blank = np.isnan(cohort[:, NAMES.index("systolic_mmhg")])
        assert np.isnan(column(cohort, "diastolic_mmhg"))[blank].mean() > 0.7

    def test_gaps_depend_on_values_as_in_the_study(self, training, cohort):
        for X in (training, cohort):
            blank = np.isnan(column(X, "crp_mg_l"))
            assert blank[column(X, "kind") == 1].mean() > blank[column(X, "kind") != 1].mean() + 0.15

    def test_shares_of_choices(self, training, cohort):
        for code in (1.0, 2.0, 5.0):
            assert np.mean(column(cohort, "kind") == code) == pytest.approx(
                np.mean(column(training, "kind") == code), abs=0.03
            )

    @pytest.mark.parametrize(
        ("one", "other"), [("age_years", "smoker"), ("systolic_mmhg", "diastolic_mmhg"), ("age_years", "systolic_mmhg")]
    )
    def test_dependence(self, training, cohort, one, other):
        theirs, ours = (
            spearmanr(column(X, one), column(X, other), nan_policy="omit").statistic for X in (training, cohort)
        )
        assert ours == pytest.approx(theirs, abs=0.1)


class TestSanity:
    def test_values_as_recorded_and_possible(self, cohort):
        for item, values in zip(SCHEMA.inputs, cohort.T, strict=True):
            values = values[~np.isnan(values)]
            if item.kind is FieldKind.CHOICE:
                assert set(values) <= {choice.code for choice in item.choices}
            else:
                assert values == pytest.approx(np.round(values, item.decimals))
                assert (values >= item.possible[0]).all()
                assert (values <= item.possible[1]).all()

    def test_fields_agree_with_each_other(self, cohort):
        assert not (column(cohort, "diastolic_mmhg") >= column(cohort, "systolic_mmhg")).any()
        bmi = column(cohort, "weight_kg") / (column(cohort, "height_cm") / 100) ** 2
        assert column(cohort, "bmi_kg_m2") == pytest.approx(bmi, abs=0.051, nan_ok=True)

    def test_required_fields_are_known(self, cohort):
        assert not np.isnan(column(cohort, "age_years")).any()

    def test_a_rule_of_the_caller(self, training):
        got = draw_cohort(training, SCHEMA, 50, keep=lambda X: column(X, "age_years") >= 40)
        assert column(got, "age_years").min() >= 40

    def test_same_seed_same_patients(self, training):
        one, two = (draw_cohort(training, SCHEMA, 30, np.random.default_rng(5)) for _ in range(2))
        assert np.array_equal(one, two, equal_nan=True)

    def test_a_field_never_known_stays_blank(self, training):
        X = training.copy()
        X[:, 6] = np.nan
        assert np.isnan(column(draw_cohort(X, SCHEMA, 50), "crp_mg_l")).all()


@pytest.mark.parametrize("X", [np.zeros((100, 3)), np.zeros((5, 9)), np.full((100, 9), np.inf)])
def test_training_rows_are_checked(X):
    with pytest.raises(InputError, match="do not fit"):
        draw_cohort(X, SCHEMA)

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from medcore.errors import ExplanationError, InputError, UnknownNameError
from medcore.explain import Explainer, missing_value_gains, most_useful_missing, sweep_response
from medcore.explain.stability import perturb_row
from medcore.records import Choice, Field, FieldKind, Role, Schema

_YES_NO = (Choice(code=0, word="no", label="No"), Choice(code=1, word="yes", label="Yes"))


def number(name, **more):
    return Field(name=name, label=name, group="g", **({"possible": (-10.0, 10.0), "decimals": 1} | more))


SCHEMA = Schema(
    (
        number("a", noise_sd=0.5),
        number("b", noise_sd=0.5),
        Field(name="c", label="c", group="g", kind=FieldKind.CHOICE, choices=_YES_NO),
        number("d"),
        *(number(f"e{index}") for index in range(3)),
        number("asked", role=Role.QUESTION),
    )
)
SLOPE = np.array([1.0, -0.8, 0.5, 0.1, 0.02, 0.01, 0.0])


def score(X):
    return expit(np.nan_to_num(np.asarray(X, dtype=np.float64)) @ SLOPE)


def score_interval(X):
    p = score(X)
    return p, p * 0.9, p + 0.05 * (1 - p)


@pytest.fixture
def cohort():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 7)).round(1)
    rows[:, 1] = (0.9 * rows[:, 0] + 0.3 * rng.normal(size=300)).round(1)
    rows[:, 2] = rng.random(300) < 0.4
    rows[rng.random(rows.shape) < 0.1] = np.nan
    return rows


@pytest.fixture
def explainer(cohort):
    return Explainer(score=score, fields=SCHEMA.inputs, background=cohort[:60], weight=np.ones(60), cohort=cohort)


class TestExplain:
    def test_fields_by_name_in_probability_units(self, explainer):
        row = np.array([2.0, -1.0, 1, 0.0, 0.0, 0.0, 0.0])
        got = explainer.explain(row, precision=0.005)
        assert set(got.contributions) == set(SCHEMA.input_names)
        assert got.base + sum(got.contributions.values()) == pytest.approx(got.p_calibrated)
        assert got.contributions["a"] > 0.2
        assert got.worst_error <= 0.005
        assert got.top_stability is None

    def test_stability_on_request(self, explainer):
        got = explainer.explain(np.array([2.0, -1.0, 1, 3.0, np.nan, 0.0, 2.0]), stability=True)
        assert 0.0 <= got.top_stability <= 1.0

    def test_columns_must_fit(self, cohort):
        with pytest.raises(InputError, match="7 columns for 6 fields"):
            Explainer(
                score=score, fields=SCHEMA.inputs[:6], background=cohort, weight=np.ones(len(cohort)), cohort=cohort
            )


class TestStability:
    def test_without_noise_nothing_changes(self, cohort):
        quiet = tuple(number(item.name) if item.noise_sd else item for item in SCHEMA.inputs)
        calm = Explainer(score=score, fields=quiet, background=cohort[:50], weight=np.ones(50), cohort=cohort)
        assert calm.stability(np.array([0.3, 0.1, 1, 0.2, 0.5, -0.1, 0.0])) == 1.0

    def test_fields_that_can_swap_places_are_unstable(self, cohort):
        items = tuple(number(f"x{index}", noise_sd=0.5) for index in range(7))
        rows = np.nan_to_num(cohort)
        even = Explainer(
            score=lambda X: expit(np.asarray(X).sum(axis=1) / 4),
            fields=items,
            background=rows[:50],
            weight=np.ones(50),
            cohort=rows,
        )
        assert even.stability(np.ones(7)) < 0.5

    def test_noise_is_that_of_each_field_and_stays_possible(self):
        row = np.array([0.0, 9.9, 1.0, 3.0, np.nan, 0.0, 0.0])
        copies = perturb_row(row, SCHEMA, 4000, np.random.default_rng(0))
        assert copies[:, 0].std() == pytest.approx(0.5, rel=0.05)
        assert copies[:, 1].max() <= 10.0
        assert (copies[:, 2:4] == [1.0, 3.0]).all()
        assert np.isnan(copies[:, 4]).all()


class TestMissing:
    def test_the_field_that_matters_is_named(self, explainer):
        gain = explainer.most_useful_missing(np.array([np.nan, 0.0, 1, 0.0, np.nan, 0.0, np.nan]))
        assert gain.field == "a"
        assert 0.0 <= gain.p_lo < gain.p_hi <= 1.0

    def test_a_field_that_no_form_shows_is_not_named(self, cohort):
        shown = replace(SCHEMA.inputs[0], in_form=False)
        schema = Schema((shown, *SCHEMA.inputs[1:]))
        row = np.array([np.nan, 0.0, 1, 0.0, np.nan, 0.0, np.nan])
        assert most_useful_missing(score, row, cohort, SCHEMA).field == "a"
        assert most_useful_missing(score, row, cohort, schema).field != "a"
        assert "a" not in {gain.field for gain in missing_value_gains(score, row, cohort, schema)}

    def test_nothing_blank_nothing_named(self, explainer):
        assert explainer.most_useful_missing(np.zeros(7)) is None

    def test_what_is_known_narrows_what_is_plausible(self, cohort):
        """``b`` follows ``a`` closely: with ``a`` known its plausible values are a narrow range around it."""

        def only_b(X):
            return expit(np.nan_to_num(X[:, 1]))

        blank = np.full(7, np.nan)
        known = np.array([2.0, *[np.nan] * 6])
        wide = next(gain for gain in missing_value_gains(only_b, blank, cohort, SCHEMA) if gain.field == "b")
        narrow = next(gain for gain in missing_value_gains(only_b, known, cohort, SCHEMA) if gain.field == "b")
        assert narrow.p_hi - narrow.p_lo < 0.5 * (wide.p_hi - wide.p_lo)
        assert narrow.p_lo > 0.6

    def test_a_field_nobody_has_is_passed_over(self, cohort):
        cohort[:, 3] = np.nan
        gains = missing_value_gains(score, np.full(7, np.nan), cohort, SCHEMA)
        assert "d" not in {gain.field for gain in gains}

    def test_shapes_are_checked(self, cohort):
        with pytest.raises(InputError, match="shape"):
            missing_value_gains(score, np.zeros(6), cohort, SCHEMA)
        with pytest.raises(InputError, match="shape"):
            missing_value_gains(score, np.zeros(7), cohort[:, :6], SCHEMA)


class TestResponse:
    def test_thirty_points_over_the_studied_range(self, explainer):
        row = np.array([0.5, 0.0, 1, 0.0, np.nan, 0.0, 0.0])
        got = explainer.respond(row, "a", (-2.0, 3.0), score_interval)
        assert (len(got.values), got.values[0], got.values[-1]) == (30, -2.0, 3.0)
        assert (got.measured, got.noise_sd) == (0.5, 0.5)
        assert list(got.p) == sorted(got.p)
        assert all(lo <= p <= hi for lo, p, hi in zip(got.lo, got.p, got.hi, strict=True))

    def test_a_blank_field_has_no_measured_value(self, explainer):
        got = explainer.respond(np.full(7, np.nan), "a", (-2.0, 3.0), score_interval)
        assert (got.measured, got.noise_sd) == (None, 0.0)

    def test_a_choice_is_tried_at_each_code(self, explainer):
        assert explainer.respond(np.zeros(7), "c", (0.0, 1.0), score_interval).values == (0.0, 1.0)

    @pytest.mark.parametrize("studied", [(1.0, 1.0), (2.0, 1.0), (np.nan, 1.0)])
    def test_a_range_must_be_one(self, explainer, studied):
        with pytest.raises(InputError, match="not a range"):
            explainer.respond(np.zeros(7), "a", studied, score_interval)

    def test_unknown_and_unused_fields(self, explainer):
        with pytest.raises(UnknownNameError, match="zz"):
            explainer.respond(np.zeros(7), "zz", (0.0, 1.0), score_interval)
        with pytest.raises(InputError, match="not an input"):
            sweep_response(score_interval, np.zeros(7), SCHEMA, "asked", (0.0, 1.0))

    def test_a_model_that_fails_is_a_typed_error(self):
        with pytest.raises(ExplanationError, match="every value"):
            sweep_response(lambda X: (X[:, 0] * np.nan,) * 3, np.zeros(7), SCHEMA, "a", (0.0, 1.0))

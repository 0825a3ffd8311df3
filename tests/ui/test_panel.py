from dataclasses import replace

import fake_models
import pytest

from medcore.records import Field
from medcore.results import (
    Applicability,
    Assessment,
    Explanation,
    Interval,
    MissingValueGain,
    Prediction,
    Reason,
    Status,
)
from medcore.ui.panel import ResultView, Texts, embed_drawings, embolden, render_blocked, render_head, render_needed

TEXTS = Texts(
    labels={"urine": "Urine output", "ph": "Arterial pH", "albumin": "Albumin"},
    values={"urine": "300 mL/day L", "ph": "7.21 L", "albumin": "not entered"},
    known=frozenset({"urine", "ph"}),
)


def make_view(status=Status.SCORED, explanation=True, **parts):
    withheld = status is Status.WITHHELD
    reasons = () if status is Status.SCORED else (Reason(code="x", text="Age <12> is outside."),)
    prediction = Prediction(
        condition="mortality_180d",
        model_id="m",
        sha256=fake_models.SHA,
        applicability=Applicability(status=status, reasons=reasons, n_known=2, n_fields=3),
        p_calibrated=None if withheld else 0.41,
        interval=None if withheld else Interval(lo=0.33, hi=0.5),
    )
    why = Explanation(
        base=0.46,
        contributions={"urine": 0.09, "ph": -0.05, "albumin": -0.09},
        standard_error={},
        p_calibrated=0.41,
        n_coalitions=64,
    )
    assessment = Assessment(
        prediction=prediction,
        explanation=why if explanation and not withheld else None,
        most_useful_missing=None if withheld else MissingValueGain(field="albumin", p_lo=0.36, p_hi=0.47),
        explanation_error=None if explanation else "not <finite>",
    )
    return ResultView(assessment=assessment, texts=TEXTS, sentence=parts.pop("sentence", "**41 %** chance"), **parts)


def test_scored_panel_reads_as_agreed():
    html = render_head(make_view())
    assert "Scored" in html
    assert "complete 2 of 3 fields" in html
    assert "<strong>41 %</strong>" in html
    assert "range 33–50 %" in html
    assert "It does not cover a hospital unlike the study" in html
    assert "<b>Mainly raised by:</b> urine output 300 mL/day L" in html
    assert "<b>Lowered by:</b> arterial pH 7.21 L" in html
    assert "<b>Not entered:</b> albumin" in html
    assert "<b>Most useful missing value:</b> albumin (41 → 36–47 %)" in html


def test_blank_fields_are_never_named_as_causes():
    assert "albumin not entered" not in render_head(make_view())


@pytest.mark.parametrize("status", [Status.CAUTION, Status.WITHHELD])
def test_state_is_told_by_word_symbol_and_reason(status):
    html = render_head(make_view(status))
    assert status.value.capitalize() in html
    assert f"mc-symbol-{status.value}" in html
    assert "Age &lt;12&gt; is outside." in html


def test_withheld_panel_has_no_number():
    html = render_head(make_view(Status.WITHHELD, sentence="**No score.**"))
    assert "%" not in html
    assert "mc-number" not in html
    assert "raised" not in html


def test_score_without_explanation_says_so():
    html = render_head(make_view(explanation=False))
    assert "<b>Explanation unavailable:</b> not &lt;finite&gt;" in html
    assert "<strong>41 %</strong>" in html


def test_a_question_that_always_needs_caution_says_so_without_another_state():
    html = render_head(make_view(caution="Care has <changed>."))
    assert "Scored" in html
    assert "Caution</span>" not in html
    warning = html.split('<p class="mc-warn">')[1].split("</p>")[0]
    assert "mc-symbol-caution" in warning
    assert "Care has &lt;changed&gt;." in warning
    assert "mc-warn" not in render_head(make_view(Status.WITHHELD, sentence="No score.", caution="Care has changed."))
    assert "mc-warn" not in render_head(make_view())


def test_a_blocked_score_is_withheld_in_word_and_symbol():
    html = render_blocked(["Sodium 12"])
    assert "Withheld" in html
    assert "mc-symbol-withheld" in html
    assert "Not scored yet: please correct" in html
    assert "please answer" in render_blocked([])


def test_a_missing_value_that_would_change_nothing_is_not_called_useful():
    view = make_view()
    useless = replace(view.assessment, most_useful_missing=MissingValueGain(field="albumin", p_lo=0.405, p_hi=0.415))
    assert "Most useful" not in render_head(replace(view, assessment=useless))


def test_a_choice_reads_with_a_colon():
    texts = Texts(labels={"sex": "Sex at birth"}, values={"sex": "male"}, known=frozenset(), choices=frozenset({"sex"}))
    assert texts.phrase("sex") == "sex at birth: male"


def test_questions_are_asked():
    assert "Please check: Is it BMI 30?" in render_head(make_view(questions=("Is it BMI 30?",)))


def test_needed_and_blocked_lists_escape_what_was_typed():
    assert "<li>Age</li>" in render_needed([Field(name="age", label="Age", group="Fit")], 0, 3)
    assert "<script>" not in render_blocked(["<script>"])


def test_a_drawing_becomes_an_image_with_its_description():
    html = embed_drawings('<p><svg aria-label="Of 100 &amp; more" width="4"><circle r="1"/></svg></p>')
    assert html.startswith('<p><img alt="Of 100 &amp; more" src="data:image/svg+xml,%3Csvg%20xmlns%3D%22http')
    assert "<svg" not in html
    assert embed_drawings("<p>no drawing</p>") == "<p>no drawing</p>"


def test_bold_is_the_only_markup():
    assert embolden("**a** <b>") == "<strong>a</strong> &lt;b&gt;"

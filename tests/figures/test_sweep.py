import json

import pytest

from medcore.figures import sweep
from medcore.results import Response


def make_response(measured=120.0, noise_sd=5.0, n=41):
    xs = tuple(90.0 + i for i in range(n))
    p = tuple(0.2 + 0.01 * i for i in range(n))
    return Response(
        field="systolic_mmhg",
        values=xs,
        p=p,
        lo=tuple(v - 0.05 for v in p),
        hi=tuple(v + 0.05 for v in p),
        measured=measured,
        noise_sd=noise_sd,
    )


def test_curve_and_band_are_in_per_cent():
    hi, lo, line = sweep.draw_sweep(make_response(), "Systolic pressure", "mmHg").data
    assert line.y[0] == pytest.approx(20.0)
    assert (lo.y[0], hi.y[0]) == (pytest.approx(15.0), pytest.approx(25.0))
    assert lo.fill == "tonexty"


def test_measured_value_and_its_error_are_marked():
    layout = sweep.draw_sweep(make_response(), "Systolic pressure", "mmHg").layout
    band, line = layout.shapes
    assert (band.x0, band.x1) == (115.0, 125.0)
    assert line.x0 == 120.0
    assert layout.annotations[0].text == "measured 120"


def test_without_a_measured_value_nothing_is_marked():
    layout = sweep.draw_sweep(make_response(measured=None), "Systolic pressure", "mmHg").layout
    assert not layout.shapes
    assert not layout.annotations


def test_description_and_table_say_the_same_as_the_picture():
    text = sweep.describe_sweep(make_response(), "Systolic pressure", "mmHg")
    assert "from 90 to 130 mmHg: 20 % at the low end, 60 % at the high end" in text
    assert "measured value is 120" in text
    table = sweep.tabulate_sweep(make_response(), "Systolic pressure", "mmHg")
    assert table.count("<tr>") == 10
    assert "<td>20 %</td><td>15–25 %</td>" in table


def test_caption_never_promises_an_effect():
    assert sweep.CAPTION.endswith("It does not show what treatment would do.")


def test_payload_stays_small():
    assert len(json.dumps(sweep.draw_sweep(make_response(), "x", "").to_plotly_json(), default=list)) < 12_000

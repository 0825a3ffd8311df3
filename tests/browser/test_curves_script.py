"""The compare page's arithmetic, run in the browser and compared with Python's."""

import base64
import json
import re
import struct
import zlib

import compared
import numpy as np
import pytest

from medcore.evaluation.decision import per_thousand
from medcore.figures.curve_payload import build_payload
from medcore.ui.curves.component import read_script

pytestmark = pytest.mark.browser
NAMES = (
    "openPage, readAt, nearestIndex, firstIndex, lastIndex, ratioLimits, treatAll, costAt, probabilityCost, "
    "interpolate, spreadLabels, listTicks, percent, range, fixed, ratioText, sayLead, sayOther, sayReference, "
    "differAt, addText"
)
COMPARISON = compared.make_comparison(n=3000)
PAYLOAD = build_payload(COMPARISON, title="An invented question")


@pytest.fixture(scope="module")
def script(browser):
    """Return a function that evaluates an expression with the component's functions in reach."""
    page = browser.new_page()
    page.goto("about:blank")
    source = base64.b64encode(f"{read_script()}\nexport {{ {NAMES} }};".encode()).decode()
    page.evaluate(
        """async ([source, payload]) => {
          const response = await import("data:text/javascript;base64," + source);
          Object.assign(globalThis, response);
          globalThis.page = openPage(JSON.parse(payload));
        }""",
        [source, json.dumps(PAYLOAD)],
    )
    yield page.evaluate
    page.close()


@pytest.mark.parametrize("cut", [0.005, 0.05, 0.1, 0.3, 0.5, 0.8])
def test_counts_and_predictive_values_are_those_of_the_evaluation_room(script, cut):
    table = COMPARISON.curves["invented-logistic"].table
    k = script("cut => nearestIndex(page.cuts, cut)", cut)
    assert table.cut_off[k] == pytest.approx(cut, abs=0.0026)
    at = script("k => readAt(page.models.find((one) => one.id === 'invented-logistic'), k, page.prevalence)", k)
    expected = per_thousand(
        sensitivity=table.sensitivity[k], specificity=table.specificity[k], prevalence=COMPARISON.prevalence
    )
    assert at["found"][0] == pytest.approx(expected.found, abs=0.1)
    assert at["missed"][0] == pytest.approx(expected.missed, abs=0.1)
    assert at["falseAlarms"][0] == pytest.approx(expected.false_alarms, abs=0.1)
    assert at["ppv"][0] == pytest.approx(expected.ppv, abs=0.002)
    assert at["npv"][0] == pytest.approx(expected.npv, abs=0.002)
    assert at["netBenefit"][0] == pytest.approx(1000 * table.net_benefit[k], abs=0.01)
    for name in ("ppv", "npv", "found", "missed", "falseAlarms", "positive", "negative"):
        value, lo, hi = at[name]
        assert lo <= value <= hi, name


def test_limits_of_a_predictive_value_are_near_the_bootstraps(script):
    y, scores = compared.make_scores(3000)
    called, rng = scores[1] >= 0.3, np.random.default_rng(3)
    drawn = []
    for _ in range(2000):  # both outcomes drawn by themselves: the prevalence is taken as known
        ill, well = rng.choice(called[y], y.sum()), rng.choice(called[~y], (~y).sum())
        found, alarms = ill.mean() * y.mean(), well.mean() * (1 - y.mean())
        drawn.append(found / (found + alarms))
    at = script("() => readAt(page.models[1], nearestIndex(page.cuts, 0.3), page.prevalence).ppv")
    np.testing.assert_allclose(at[1:], np.quantile(drawn, [0.025, 0.975]), atol=0.006)


def test_f1_and_mcc_are_those_of_the_four_counts(script):
    k = script("() => nearestIndex(page.cuts, 0.3)")
    table = COMPARISON.curves["invented-mlp"].table
    rate = COMPARISON.prevalence
    tp, fp = table.sensitivity[k] * rate, (1 - table.specificity[k]) * (1 - rate)
    fn, tn = rate - tp, 1 - rate - fp
    at = script("k => readAt(page.models[0], k, page.prevalence)", k)
    assert at["f1"] == pytest.approx(2 * tp / (2 * tp + fp + fn), abs=1e-3)
    assert at["mcc"] == pytest.approx(
        (tp * tn - fp * fn) / np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)), abs=1e-3
    )


def test_nobody_called_or_everybody_called_leaves_no_predictive_value(script):
    none = {
        "cut_off": [0.9],
        **{f"{n}{e}": [v] for n, v in (("sensitivity", 0), ("specificity", 1)) for e in ("", "_lo", "_hi")},
    }
    every = {
        "cut_off": [0.1],
        **{f"{n}{e}": [v] for n, v in (("sensitivity", 1), ("specificity", 0)) for e in ("", "_lo", "_hi")},
    }
    for table, name in ((none, "ppv"), (every, "npv")):
        table.update({key: [0] for key in ("net_benefit", "net_benefit_lo", "net_benefit_hi")})
        assert script("([table, name]) => Number.isNaN(readAt({ table }, 0, 0.2)[name][0])", [table, name])


def test_the_slider_stays_where_net_benefit_is_defined(script):
    first, last, cuts = script("() => [firstIndex(page.cuts), lastIndex(page.cuts), [...page.cuts]]")
    assert 0 < cuts[first] < 0.01
    assert 0.99 <= cuts[last] < 1
    assert script("() => [nearestIndex(page.cuts, 0), nearestIndex(page.cuts, 1)]") == [first, last]


def test_cost_at_its_weight_is_the_loss_of_net_benefit(script):
    """At the weight that belongs to a cut-off, cost and net benefit order strategies alike."""
    for cut in (0.05, 0.3, 0.6):
        gap, cost = script(
            """cut => {
              const k = nearestIndex(page.cuts, cut), t = page.cuts[k], rate = page.prevalence;
              const at = readAt(page.models[0], k, rate), pc = probabilityCost(t, rate);
              const scale = (rate * (1 - t) + (1 - rate) * t) / (1 - t);
              return [rate - at.netBenefit[0] / 1000, scale * costAt(at.sensitivity[0], at.specificity[0], pc)];
            }""",
            cut,
        )
        assert gap == pytest.approx(cost, abs=2e-4)


@pytest.mark.parametrize("wanted", [[100, 100, 100], [10, 12, 300, 300], [400, 400, 400, 399, 2, 1]])
def test_names_never_overlap_and_stay_inside(script, wanted):
    places = script("wanted => spreadLabels(wanted, 10, 300, 17)", wanted)
    ordered = sorted(places)
    assert np.all(np.diff(ordered) >= 17 - 1e-9)
    assert ordered[0] >= 10 - 1e-9
    assert ordered[-1] <= 300 + 1e-9


def test_words(script):
    space = "\u00a0"
    assert script("() => [percent(0.1), percent(0.045), percent(0.999), percent(NaN)]") == [
        f"10{space}%", f"4.5{space}%", f"100{space}%", "–",
    ]  # fmt: skip
    assert script("() => [range(0.5, 0.6, percent), range(-1, 2, (v) => fixed(v, 1)), range(NaN, 1, percent)]") == [
        f"50–60{space}%", "−1.0 to 2.0", "",
    ]  # fmt: skip
    assert script("() => [0.1, 0.2, 0.01, 0.5, 0.6].map(ratioText)") == ["9", "4", "99", "1", "0.67"]


@pytest.mark.parametrize(("use", "words"), [("find cases", "finds"), ("rule out", "spares")])
def test_the_verdict_adds_up(script, use, words):
    text = script(
        """use => { const m = page.models[0], k = nearestIndex(page.cuts, 0.2);
        return sayLead(m, readAt(m, k, page.prevalence), use, page.prevalence, "patients"); }""",
        use,
    )
    assert words in text
    assert "20\u00a0%" in text
    assert f"of {round(1000 * COMPARISON.prevalence)} cases" in text


@pytest.mark.parametrize("use", ["find cases", "rule out"])
def test_what_the_verdict_states_carries_its_limits(script, use):
    lead, at = script(
        """use => { const m = page.models[0], at = readAt(m, nearestIndex(page.cuts, 0.2), page.prevalence);
        return [sayLead(m, at, use, page.prevalence, "patients"), at]; }""",
        use,
    )
    names = ("spared", "missed") if use == "rule out" else ("found", "falseAlarms")
    limits = [f"({at[name][1]:.0f}–{at[name][2]:.0f})" for name in names]
    assert re.findall(r"\(.*?\)", lead) == limits


def test_a_difference_of_two_models_is_that_of_the_pair_whichever_leads(script):
    pair = COMPARISON.paired[0]
    k = script("() => nearestIndex(page.cuts, 0.2)")
    say = "([lead, other, k]) => differAt(page.paired, lead, other, k)"
    found, turned = (script(say, [*names, k]) for names in ((pair.first, pair.second), (pair.second, pair.first)))
    assert found["found"] == pytest.approx([pair.found_lo[k], pair.found_hi[k]], abs=6e-4)
    assert found["alarms"] == pytest.approx([pair.alarms_lo[k], pair.alarms_hi[k]], abs=6e-4)
    assert turned["found"] == pytest.approx([-found["found"][1], -found["found"][0]])
    assert script(say, [pair.first, "unknown", k]) is None


def test_a_difference_is_said_with_its_limits_and_when_it_is_unclear(script):
    say = """limits => { const m = page.models[1], read = (one) => readAt(one, nearestIndex(page.cuts, 0.2), 0.5);
    return sayOther(m, read(m), read(page.models[0]), "find cases", 0.5, limits); }"""
    assert script(say, {"found": [-0.01, 0.02], "alarms": [-0.03, 0.004]}).endswith(": no clear difference.")
    clear = script(say, {"found": [0.01, 0.02], "alarms": [-0.03, 0.004]})
    assert "(+5 to +10)" in clear
    assert "(−15 to +2)" in clear
    assert "no clear" not in clear
    assert "(" not in script(say, None)


def test_the_verdict_says_when_the_model_is_of_no_use(script):
    say = "at => sayReference({ cutOff: at[0], netBenefit: [at[1]] }, 0.3)"
    assert "everyone" in script(say, [0.01, 292.9])
    assert "no one does better" in script(say, [0.9, -2.0])
    assert "no one does as well" in script(say, [0.9, 0.0])
    assert script(say, [0.2, 200.0]) == ""


def test_text_in_a_picture_is_a_valid_chunk(script):
    raw = zlib.compress(b"\x00\xff\xff\xff")
    chunk = lambda name, body: struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))  # noqa: E731
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)) + chunk(b"IDAT", raw)
    png += chunk(b"IEND", b"")
    found = bytes(script("png => [...addText(Uint8Array.from(png), 'Description', 'é sha256')]", list(png)))
    assert found[:33] == png[:33]
    length = struct.unpack(">I", found[33:37])[0]
    name, body = found[37:41], found[41 : 41 + length]
    assert name == b"iTXt"
    assert struct.unpack(">I", found[41 + length : 45 + length])[0] == zlib.crc32(name + body)
    assert body.split(b"\0")[0] == b"Description"
    assert body.endswith("é sha256".encode())
    assert found[45 + length :] == png[33:]

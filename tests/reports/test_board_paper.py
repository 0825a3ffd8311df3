"""The board paper: what stands on it, that the same facts give the same bytes, and that odd facts still print."""

import json
import math
import re
import shutil
import subprocess
import zlib
from dataclasses import replace

import pytest

from medcore.errors import InputError
from medcore.reports.board_charts import count_people, percent
from medcore.reports.board_paper import draw_board_paper, write_harm_ratio
from medcore.reports.paper_facts import (
    BoardPaper,
    PaperCurve,
    PaperFigure,
    PaperGroup,
    PaperModel,
    from_json,
    to_json,
)

NAN = math.nan


def figure(value, half=1.0):
    return PaperFigure(value=value, lo=value - half, hi=value + half)


def curve(*y):
    x = tuple((k + 1) / (len(y) + 1) for k in range(len(y)))
    return PaperCurve(x=x, y=y, lo=tuple(v - 0.01 for v in y), hi=tuple(v + 0.01 for v in y))


def make_model(name="forest", **parts):
    facts = {
        "model_id": f"diabetes-{name}",
        "title": f"Made-up {name}",
        "version": "1.2",
        "sha256": "ab12cd" + "0" * 58,
        "standing": "best Brier",
        "board": {"auroc": figure(0.8, 0.02), "brier": figure(0.1, 0.01)},
        "found": figure(31.0),
        "missed": figure(14.0),
        "false_alarms": figure(140.0),
        "net_benefit": figure(16.0),
        "decision": curve(40.0, 20.0, 5.0, 0.0, NAN),
    }
    return PaperModel(**{**facts, **parts})


def make_group(group="female", **parts):
    facts = {"attribute": "sex", "group": group, "n": 120, "n_events": 31}
    shares = {"auroc": figure(0.8, 0.05), "sensitivity": figure(0.7, 0.1), "specificity": figure(0.6, 0.1)}
    return PaperGroup(**{**facts, **shares, **parts})


def make_paper(**parts):
    facts = {
        "title": "Undiagnosed diabetes",
        "purpose": "Finds adults for a blood test.",
        "population": "US adults.",
        "not_covered": "Pregnancy.",
        "limits": "One survey.",
        "source": "A made-up study.",
        "use": "find cases",
        "cut_off": 0.1,
        "prevalence": 0.045,
        "prevalence_study": 0.045,
        "n": 1000,
        "n_events": 45,
        "n_patients": 1000,
        "models": (make_model(), make_model("logistic", standing="worse")),
        "calibration": curve(0.1, 0.3, 0.6),
        "bins": ((0.05, 0.04, 0.01, 0.08), (0.3, 0.35, 0.2, 0.5)),
        "histogram_edges": (0.0, 0.25, 0.5, 0.75, 1.0),
        "histogram": (800.0, 150.0, 50.0, 0.0),
        "groups": (make_group(), make_group("male", grey="too few: 7 with the outcome")),
        "blanks_text": "Not known from the bundle.",
        "locked": "This cut-off is not locked.",
        "made_at": "2026-01-02 03:04 UTC",
        "made_by": "Medcore 0.1.0",
    }
    return BoardPaper(**{**facts, **parts})


def read_text(pdf):
    """Return every text of the PDF's content streams, without a PDF reader."""
    import base64

    found = []
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, flags=re.DOTALL):
        raw = stream.strip()
        if raw.endswith(b"~>"):
            raw = base64.a85decode(raw[:-2])
        try:
            content = zlib.decompress(raw).decode("latin-1")
        except zlib.error:
            continue
        found += re.findall(r"\(((?:\\.|[^()\\])*)\) Tj", content)
    return "\n".join(found).replace("\\(", "(").replace("\\)", ")")


def test_two_pages_with_everything_a_board_needs():
    pdf = draw_board_paper(make_paper())
    assert pdf.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b", pdf)) == 2
    text = read_text(pdf)
    for words in (
        "Undiagnosed diabetes",
        "Proposed: Made-up forest (version 1.2), to find cases, at a cut-off of 10 %.",
        "This accepts 9 false alarms for one case found.",
        "Finds adults for a blood test.",
        "Who is not covered",
        "Pregnancy.",
        "Of 1,000 such patients, 45 have the outcome (4.5 %, as in the study)",
        "31 (30 to 32)",
        "140 (139 to 141)",
        "too few: 7 with the outcome",
        "Not known from the bundle.",
        "One survey.",
        "ab12cd" + "0" * 58,
        "2026-01-02 03:04 UTC",
        "Decision support, not a diagnosis.",
    ):
        assert words in text, words


def test_the_same_facts_give_the_same_bytes():
    assert draw_board_paper(make_paper()) == draw_board_paper(make_paper())
    assert draw_board_paper(make_paper()) != draw_board_paper(make_paper(cut_off=0.2))


def test_facts_cross_to_another_process_unchanged():
    paper = make_paper()
    again = from_json(json.loads(json.dumps(to_json(paper))))
    assert draw_board_paper(again) == draw_board_paper(paper)
    assert replace(again.models[0], decision=paper.models[0].decision) == paper.models[0]
    with pytest.raises(InputError, match="facts of the board paper are wrong"):
        from_json({"title": "x"})


@pytest.mark.parametrize(
    "parts",
    [
        {"prevalence": 0.2},
        {"groups": (), "groups_text": "None."},
        {"groups": tuple(make_group(str(k)) for k in range(60))},
        {"blanks": (make_group("0 blank", attribute="blanks"),)},
        {"histogram": (0.0, 0.0, 0.0, 0.0)},
        {"bins": (), "calibration": PaperCurve(x=(), y=(), lo=(), hi=())},
        {"models": (make_model(found=figure(NAN), net_benefit=figure(NAN), board={}),)},
        {"models": (make_model(decision=curve(NAN, NAN)),)},
        {"models": tuple(make_model(f"m{k}") for k in range(6))},
        {"population": "word " * 900, "limits": "word " * 900, "warnings": ("Only 7 with the outcome.",)},
        {"title": "Ω ≥ − 中"},
        {"cut_off": 0.001},
        {"cut_off": 0.999},
        {"groups": (make_group(auroc=figure(NAN), sensitivity=figure(NAN)),)},
    ],
    ids=lambda parts: ",".join(parts),
)
def test_odd_facts_still_print_on_two_pages(parts):
    pdf = draw_board_paper(make_paper(**parts))
    assert len(re.findall(rb"/Type /Page\b", pdf)) == 2
    assert not re.search(r"\bnan\b", read_text(pdf).lower())


@pytest.mark.parametrize("parts", [{"models": ()}, {"cut_off": 0.0}, {"cut_off": NAN}, {"prevalence": 1.0}])
def test_impossible_facts_are_refused(parts):
    with pytest.raises(InputError):
        make_paper(**parts)


@pytest.mark.parametrize(
    ("found", "missed", "alarms", "expected"),
    [
        (31, 14, 140, (3, 1, 14, 82)),
        (0, 0, 0, (0, 0, 0, 100)),
        (333, 333, 334, (33, 33, 34, 0)),
        (4, 4, 4, (1, 0, 0, 99)),
    ],
)
def test_100_people_add_up(found, missed, alarms, expected):
    model = make_model(found=figure(found), missed=figure(missed), false_alarms=figure(alarms))
    counts = count_people(make_paper(models=(model,)))
    assert sum(counts) == 100
    assert counts == expected


@pytest.mark.parametrize(
    ("cut_off", "use", "words"),
    [
        (0.1, "find cases", "9 false alarms for one case found"),
        (0.5, "find cases", "one false alarm for one case found"),
        (0.3, "find cases", "2.3 false alarms"),
        (0.75, "find cases", "one false alarm for 3 cases found"),
        (0.01, "rule out", "missing one case to spare 99 others"),
        (0.75, "rule out", "missing 3 cases to spare one other"),
    ],
)
def test_the_harm_ratio_in_words(cut_off, use, words):
    assert words in write_harm_ratio(cut_off, use)


def test_percent_has_at_most_one_decimal():
    assert [percent(p) for p in (0.045, 0.1, 0.4649, 0.001)] == ["4.5 %", "10 %", "46.5 %", "0.1 %"]


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler is not installed")
def test_another_program_reads_it(tmp_path):
    path = tmp_path / "paper.pdf"
    path.write_bytes(draw_board_paper(make_paper()))
    done = subprocess.run(["pdftotext", str(path), "-"], capture_output=True, text=True, check=True)
    assert "Decision support, not a diagnosis." in done.stdout
    assert "Made-up logistic" in done.stdout

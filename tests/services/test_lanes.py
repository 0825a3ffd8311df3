"""What goes first in the model process, and that a page is known by its session."""

from types import SimpleNamespace

import pytest

from medcore.services.gateway import Asker, asking, background, find_asker
from medcore.services.lanes import LANES, QUICK_S, Lanes
from medcore.ui.asking import find_session, has_moved_on

MODEL = {"model_id": "diabetes-mlp"}


@pytest.mark.parametrize(
    ("op", "payload", "lane"),
    [
        ("ping", {}, 0),
        ("assess", MODEL, 1),
        ("refine", MODEL, 1),
        ("score_films", MODEL, 1),
        ("explain_film", {**MODEL, "method": "hirescam"}, 1),
        ("explain_film", {**MODEL, "method": "shap"}, 2),
        ("score_rows", MODEL, 2),
        ("explain_rows", MODEL, 2),
        ("check_bundle", {}, 2),
    ],
)
def test_the_lane_of_an_operation(op, payload, lane):
    lanes = Lanes()
    assert lanes.choose(op, payload) == lane
    with background():
        assert lanes.choose(op, payload) == LANES - 1


def test_a_model_goes_first_once_it_has_shown_that_it_is_quick_and_loses_that_when_it_is_slow():
    lanes = Lanes()
    lanes.learn("assess", MODEL, QUICK_S / 2)
    assert lanes.choose("assess", MODEL) == 0
    assert lanes.choose("predict", MODEL) == 1
    assert lanes.choose("assess", {"model_id": "diabetes-attention"}) == 1
    lanes.learn("assess", MODEL, 100 * QUICK_S)
    assert lanes.choose("assess", MODEL) == 0  # once may be a wait for others
    for _ in range(3):
        lanes.learn("assess", MODEL, 100 * QUICK_S)
    assert lanes.choose("assess", MODEL) == 1
    lanes.learn("assess", MODEL, None)
    assert lanes.choose("assess", MODEL) == 1


def page(state, *, parts=(), auto=False):
    rerun = SimpleNamespace(fragment_id_queue=list(parts), is_auto_rerun=auto)
    return SimpleNamespace(script_requests=SimpleNamespace(_state=SimpleNamespace(name=state), _rerun_data=rerun))


@pytest.mark.parametrize(
    ("context", "foreground", "in_background"),
    [
        (page("CONTINUE"), False, False),
        (page("STOP"), True, True),
        (page("RERUN"), True, True),
        (page("RERUN", parts=["another"]), False, True),
        (page("RERUN", parts=["another"], auto=True), False, False),
        (page("RERUN", auto=True), False, False),
        (SimpleNamespace(), False, False),
    ],
)
def test_who_has_moved_on(context, foreground, in_background):
    assert has_moved_on(context) is foreground
    with asking(Asker(background=True)):
        assert has_moved_on(context) is in_background


def test_streamlit_still_has_the_parts_that_are_looked_at():
    from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests
    from streamlit.runtime.scriptrunner_utils.script_run_context import ThreadState

    requests = ScriptRequests()
    context = SimpleNamespace(script_requests=requests)
    assert has_moved_on(context) is False
    ThreadState.initialize(fragment_id="form")
    requests.request_rerun(RerunData(fragment_id="other"))
    assert has_moved_on(context) is False
    requests.request_rerun(RerunData(fragment_id="form"))
    assert has_moved_on(context) is True
    ThreadState.initialize()
    requests.request_stop()
    assert has_moved_on(context) is True


def test_outside_a_page_nobody_in_particular_asks():
    assert find_session() is None
    assert find_asker() == Asker()

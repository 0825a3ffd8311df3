"""Films through both gateways: the same answers, typed errors for the wrong kind of question, a warm start."""

import numpy as np
import pytest
from film_bundle import MODEL_ID, SIZE, draw_films
from tiny_bundle import write_tiny_bundle

from medcore.errors import InputError, UnknownNameError
from medcore.results import Reason, Status
from medcore.services.model_child import ChildGateway, LocalGateway

TABLE = "diabetes-logistic"
TOO_OLD = Reason(code="age", text="age 40 years", field="age_years")
VALUES = {"already_diagnosed": 0.0, "age_years": 61.0, "sex": 1.0, "height_cm": 175.0, "bmi_kg_m2": 29.0}


@pytest.fixture(scope="module")
def models(film_models, tmp_path_factory):
    """A film bundle beside a bundle of a table."""
    import shutil

    folder = tmp_path_factory.mktemp("both") / "models"
    shutil.copytree(film_models, folder)
    write_tiny_bundle(folder)
    return folder


@pytest.fixture(scope="module")
def local(models):
    gateway = LocalGateway(models)
    gateway.warm_up()
    return gateway


@pytest.fixture(scope="module")
def child(models):
    gateway = ChildGateway(models, threads=1)
    gateway.start()
    yield gateway
    gateway.close()


@pytest.fixture(scope="module")
def films():
    return draw_films(5, 91)


def test_a_warm_start_loads_the_default_of_both_kinds(local):
    assert set(local._models) == {MODEL_ID, TABLE}
    assert "explainer" in vars(local._models[MODEL_ID])


def test_the_child_scores_films_as_this_process_does(child, local, films):
    reasons = [(), (TOO_OLD,), (), (), ()]
    here, there = (
        local.score_films(MODEL_ID, films.tensors, reasons),
        child.score_films(MODEL_ID, films.tensors, reasons),
    )
    assert [item.status for item in there] == [item.status for item in here]
    assert there[1].status is Status.WITHHELD
    assert there[1].p_calibrated is None
    assert TOO_OLD in there[1].applicability.reasons
    for one, other in zip(here, there, strict=True):
        assert one.applicability.reasons == other.applicability.reasons
        assert one.sha256 == other.sha256
        if one.p_calibrated is not None:
            assert other.p_calibrated == pytest.approx(one.p_calibrated, abs=1e-5)
            assert other.probabilities == pytest.approx(one.probabilities, abs=1e-5)
            assert other.interval.kind == "calibration_band"


def test_no_film_is_no_answer(child, local):
    nothing = np.empty((0, SIZE, SIZE), np.float32)
    assert child.score_films(MODEL_ID, nothing, []) == local.score_films(MODEL_ID, nothing, []) == ()


def test_the_child_explains_a_film_as_this_process_does(child, local, films):
    here, there = local.explain_film(MODEL_ID, films.tensors[0]), child.explain_film(MODEL_ID, films.tensors[0])
    np.testing.assert_allclose(there.grid, here.grid, atol=1e-3)
    assert there.p_calibrated == pytest.approx(here.p_calibrated, abs=1e-5)
    assert (there.reliable, there.reason, there.method) == (here.reliable, here.reason, "hirescam")
    assert isinstance(there.grid, tuple)
    assert isinstance(there.grid[0], tuple)


@pytest.mark.parametrize("kind", ["local", "child"])
def test_a_question_of_the_wrong_kind_is_a_typed_error(kind, request, films):
    gateway = request.getfixturevalue(kind)
    with pytest.raises(InputError, match="not about films"):
        gateway.score_films(TABLE, films.tensors, [()] * 5)
    with pytest.raises(InputError, match="not about films"):
        gateway.explain_film(TABLE, films.tensors[0])
    for ask in (gateway.predict, gateway.assess, gateway.refine):
        with pytest.raises(InputError, match="answers about films"):
            ask(MODEL_ID, VALUES)
    with pytest.raises(InputError, match="answers about films"):
        gateway.respond(MODEL_ID, VALUES, "age_years")
    assert gateway.score_films(MODEL_ID, films.tensors[:1], [()])


@pytest.mark.parametrize("kind", ["local", "child"])
def test_errors_are_typed_and_the_next_film_is_scored(kind, request, films):
    gateway = request.getfixturevalue(kind)
    with pytest.raises(InputError, match="expects"):
        gateway.score_films(MODEL_ID, np.zeros((2, 50, 50)), [(), ()])
    with pytest.raises(InputError, match="lists of reasons"):
        gateway.score_films(MODEL_ID, films.tensors, [()])
    with pytest.raises(InputError, match="0 \\(black\\) to 1"):
        gateway.explain_film(MODEL_ID, films.tensors[0] * 255)
    with pytest.raises(InputError, match="no explanation 'magic'"):
        gateway.explain_film(MODEL_ID, films.tensors[0], "magic")
    with pytest.raises(UnknownNameError, match="there is no model"):
        gateway.score_films("pneumonia-banana", films.tensors, [()] * 5)
    assert len(gateway.score_films(MODEL_ID, films.tensors, [()] * 5)) == 5

import re

import fake_models
import pytest

from medcore.registry import Catalog
from medcore.services.compare.cut_offs import find_locked
from medcore.ui import runtime

PAGE = "analysis/compare"


@pytest.fixture
def open_compare(open_page, shelf):
    """Return a function that opens the page on real small bundles."""
    return lambda **parts: open_page(PAGE, **{"catalog": Catalog(shelf.folder), **parts})


def read_lock(test):
    return next(item.value for item in test.html if "mc-lock-words" in item.value)


def test_starts_with_three_models_and_an_accepted_ratio_never_half(open_compare, read):
    test = open_compare()
    assert not test.exception
    assert len(test.multiselect(key="compared_diabetes").value) == 3
    assert "Cut-off 10\u00a0%" in read_lock(test)
    assert "9 false alarms for 1 case found" in read_lock(test)
    assert "mc-problem" not in read(test)


def test_what_is_compared_is_written_to_the_journal_once(open_compare):
    test = open_compare()
    test.run()
    journal = runtime.open_house().journal
    assert [event.action for event in journal.events()].count("compare") == 3


def test_a_local_prevalence_is_taken_and_a_wrong_one_is_answered_beside_the_field(open_compare, read):
    test = open_compare()
    test.text_input(key="local_prevalence").set_value("20").run()
    assert not test.exception
    assert "prevalence 20\u00a0%" in read_lock(test)
    test.text_input(key="local_prevalence").set_value("120").run()
    assert not test.exception
    assert "Between 0 and 100" in read(test)
    assert "prevalence 20\u00a0%" not in read_lock(test)


def test_a_cut_off_is_locked_for_the_bundle_and_unlocked(open_compare, read):
    test = open_compare()
    test.text_input(key="lock_reason").set_value("Ward <5>").run()
    test.button(key="lock_now").click().run()
    assert not test.exception
    model_id = test.selectbox(key="lock_model").value
    locked = find_locked(runtime.open_house(), model_id)
    assert locked.holds
    assert locked.cut_off == pytest.approx(0.1)
    assert locked.harm_ratio == pytest.approx(9)
    html = read(test)
    assert "Locked." in html
    assert "Ward &lt;5&gt;" in html
    assert locked.sha256[:6] in html
    test.button(key=f"unlock_{model_id}").click().run()
    assert find_locked(runtime.open_house(), model_id) is None
    assert "Locked." not in read(test)


def test_a_cut_off_chosen_at_a_local_prevalence_is_locked_on_the_models_own_scale(open_compare):
    test = open_compare()
    test.text_input(key="local_prevalence").set_value("5").run()
    test.button(key="lock_now").click().run()
    assert not test.exception
    house = runtime.open_house()
    locked = find_locked(house, test.selectbox(key="lock_model").value)
    own = house.catalog.bundle(locked.model_id).read_arrays("evaluation.npz")["y"].mean()
    odds = (0.1 / 0.9) * (own / (1 - own)) / (0.05 / 0.95)
    assert locked.cut_off == pytest.approx(odds / (1 + odds))
    assert locked.prevalence == pytest.approx(0.05)


def test_no_model_chosen_and_none_there_are_said_quietly(open_compare, read):
    test = open_compare()
    test.multiselect(key="compared_diabetes").set_value([]).run()
    assert not test.exception
    assert "Choose one model or more" in read(test)
    test = open_compare(catalog=fake_models.FakeCatalog(empty=True))
    assert not test.exception
    assert "no usable model" in read(test)


def test_models_that_cannot_be_compared_are_answered_with_the_reason(open_compare, read, shelf, tmp_path):
    folder = shelf.copy(tmp_path / "models", "diabetes-logistic", "diabetes-forest")
    catalog = Catalog(folder)
    (folder / "diabetes-forest" / "evaluation.npz").write_bytes(b"broken")
    test = open_compare(catalog=catalog)
    assert not test.exception
    html = read(test)
    assert "These models cannot be compared" in html
    assert not re.search(r"Traceback|NaN|nan", html)

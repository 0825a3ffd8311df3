"""Every page x every role x every state of a session: who sees a page, and what everybody else sees instead."""

from dataclasses import replace
from pathlib import Path

import fake_models
import pytest
from access_site import CHEAP, Site, TurnedClock
from streamlit.testing.v1 import AppTest

from medcore.access import Actor, Role, allowed_pages, open_access
from medcore.access.demo import make_demo_actor
from medcore.access.roles import Page
from medcore.errors import SessionExpiredError, SessionRevokedError, StorageError
from medcore.services.house import Catalog
from medcore.services.trust import entrance
from medcore.ui import guard, navigation, runtime, visitor

ROOT = Path(__file__).resolve().parents[2]
BUILT = navigation.list_pages()
DENIED = "This page is not open to you"
SIGN_IN = 'href="sign-in?next='
MARKS = ("mc-problem", "mc-door")


class Visit:
    """A house where one has to sign in, and a browser that holds a token."""

    def __init__(self, folder, monkeypatch, *, empty=True):
        clock = TurnedClock()
        house = fake_models.make_house(folder, catalog=make_empty_shelf(folder) if empty else None)
        self.access = open_access(folder, house.journal, clock=clock, cost=CHEAP)
        self.house = replace(house, access=self.access, who=lambda: None)
        self.site = Site(access=self.access, journal=house.journal, clock=clock, folder=folder)
        self.token = ""
        runtime.use(self.house)
        monkeypatch.setattr(visitor, "read_token", lambda: self.token)

    def enter_as(self, *roles, name="ada"):
        facts = self.site.add(name=name, roles=[Role(role) for role in roles])
        self.token = self.site.enter(name)
        return facts

    def open(self, page, test=None):
        """Run a page; returns (all its HTML, how many things one could fill in or press)."""
        test = AppTest.from_file(str(file_of(page)), default_timeout=60) if test is None else test
        test.run()
        assert not test.exception, test.exception
        widgets = len(test.button) + len(test.text_input) + len(test.selectbox) + len(test.multiselect)
        return "\n".join(item.value for item in test.html), widgets


def make_empty_shelf(folder):
    (folder / "shelf").mkdir()
    return Catalog(folder / "shelf")


def file_of(page):
    return ROOT / navigation._PLACES[page][2]


@pytest.fixture
def visit(tmp_path, monkeypatch, request):
    """A visit of a house without models; with them for tests marked so."""
    made = Visit(tmp_path, monkeypatch, empty="with_models" not in request.fixturenames)
    yield made
    runtime.use(None)
    made.access.close()


@pytest.fixture
def with_models():
    """Mark of a test that needs models."""


def assert_only(html, widgets, *words):
    """One notice, nothing else."""
    assert widgets == 0
    assert sum(html.count(f'class="{mark}"') for mark in MARKS) == 1
    for word in words:
        assert word in html
    rest = html.partition("<section")[0]
    assert all(line.startswith(("<h1", "<style", "")) for line in rest.splitlines())


def test_every_page_that_is_built_is_one_of_the_table():
    assert {Page.RISK, Page.XRAY, Page.COMPARE, Page.EXPLORE, Page.MODELS, Page.ACCOUNT, Page.ACCOUNTS} <= set(BUILT)
    known = {file_of(page) for page in Page}
    assert set((ROOT / "pages").rglob("*.py")) <= known


@pytest.mark.parametrize("page", BUILT)
def test_a_page_opens_for_the_roles_of_the_table_only(visit, page):
    for role in Role:
        visit.enter_as(role, name=f"somebody {role}")
        html, widgets = visit.open(page)
        if page in allowed_pages(Actor(name="x", roles={role})):
            assert DENIED not in html
            assert 'class="mc-door"' not in html
        else:
            assert_only(html, widgets, DENIED, str(role))
            assert SIGN_IN not in html


@pytest.mark.parametrize("page", BUILT)
def test_nobody_sees_anything_without_a_session(visit, page):
    visit.site.add()
    for token in ("", "x" * 43, "é", "x" * 5000):
        visit.token = token
        assert_only(*visit.open(page), SIGN_IN, "not signed in, or your session is over")


@pytest.mark.parametrize("page", BUILT)
def test_a_session_that_is_over_shows_the_way_in_and_nothing_else(visit, page):
    visit.enter_as(*Role)
    assert 'class="mc-door"' not in visit.open(page)[0]
    visit.site.clock.turn(15 * 60 + 1)
    assert_only(*visit.open(page), SIGN_IN, "Your session is over. Sign in again; drafts are kept.")


@pytest.mark.parametrize("page", BUILT)
def test_a_revoked_session_shows_the_way_in_and_nothing_else(visit, page):
    facts = visit.enter_as(*Role)
    visit.access.sessions.revoke_all(visit.site.administrator, facts.id)
    assert_only(*visit.open(page), SIGN_IN, "by an administrator")


@pytest.mark.parametrize("page", [page for page in BUILT if page is not Page.ACCOUNT])
def test_a_role_taken_away_counts_in_a_page_that_is_open(visit, page):
    facts = visit.enter_as(*Role)
    visit.site.add(name="second", roles=[Role.ADMINISTRATOR])
    test = AppTest.from_file(str(file_of(page)), default_timeout=60)
    assert DENIED not in visit.open(page, test)[0]
    keeps = next(role for role in Role if page not in allowed_pages(Actor(name="x", roles={role}))) if page not in (
        Page.MODELS, Page.AGREEMENT, Page.SITE,
    ) else None  # fmt: skip
    if keeps is None:  # a page for every role: the account is switched off instead
        visit.access.accounts.disable(visit.site.administrator, facts.id)
        assert_only(*visit.open(page, test), SIGN_IN)
        return
    visit.access.accounts.set_roles(visit.site.administrator, facts.id, [keeps])
    assert_only(*visit.open(page, test), DENIED, str(keeps))


@pytest.mark.parametrize("page", BUILT)
def test_with_a_one_time_password_only_the_own_account_opens(visit, page):
    once = visit.access.accounts.create(visit.site.administrator, "new", list(Role))
    visit.token = visit.access.sessions.start(visit.access.accounts.sign_in("new", once.password))
    html, widgets = visit.open(page)
    if page is Page.ACCOUNT:
        assert "Choose your password" in html
        assert "Where you are signed in" not in html
    else:
        assert_only(html, widgets, "Choose your password first", 'href="account"')


@pytest.mark.parametrize("page", BUILT)
def test_in_a_demo_nobody_signs_in_and_every_page_says_that_it_is_one(tmp_path, page):
    demo = make_demo_actor()
    runtime.use(replace(fake_models.make_house(tmp_path, catalog=make_empty_shelf(tmp_path)), who=lambda: demo))
    try:
        test = AppTest.from_file(str(file_of(page)), default_timeout=60).run()
    finally:
        runtime.use(None)
    assert not test.exception
    html = "\n".join(item.value for item in test.html)
    assert entrance.DEMO_NOTICE in html
    assert DENIED not in html
    assert not [button.label for button in test.button if button.label in ("Sign out", "Make the account")]


@pytest.mark.parametrize("role", list(Role))
def test_the_top_bar_offers_what_the_role_may_open(visit, role):
    visit.enter_as(role)
    offered, name, roles = navigation._identify()
    start, groups = navigation.arrange(offered, name, roles=roles)
    shown = [page for members in groups.values() for page in members]
    assert set(shown) == set(offered) & set(BUILT)
    assert start in shown
    assert list(groups)[-1] == "ada"
    assert groups["ada"] == [Page.ACCOUNT]
    assert len(groups) <= 4
    assert len(groups[""]) <= 5


def test_the_top_bar_offers_nothing_to_nobody(visit):
    assert navigation._identify() == ((), "", frozenset())
    test = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=60).run()
    assert not test.exception
    assert 'class="mc-door"' in "\n".join(item.value for item in test.html)


def test_another_account_in_the_same_tab_finds_nothing_of_the_first(with_models, visit):
    visit.enter_as("clinician", name="ada")
    test = AppTest.from_file(str(file_of(Page.RISK)), default_timeout=60)
    test.query_params["condition"] = "diabetes"
    test.run()
    test.text_input(key="age_years").set_value("61").run()
    assert test.session_state["mc_drafts"]["diabetes"].values["age_years"] == "61"
    visit.enter_as("clinician", name="bea")
    test.run()
    assert not test.exception
    assert "61" not in str(test.session_state["mc_drafts"]["diabetes"].values)
    assert not test.text_input(key="age_years").value


@pytest.mark.parametrize("role", list(Role))
def test_a_session_that_ends_while_its_page_is_drawn_leads_to_the_notice(visit, monkeypatch, role):
    visit.enter_as(role)
    opened, runs = guard.open_house, []

    def open_and_end(page):
        house = opened(page)
        runs.append(page)
        visit.access.sessions.end(visit.token)
        return house

    monkeypatch.setattr(guard, "open_house", open_and_end)
    html, widgets = visit.open(None, AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=60))
    assert len(runs) == 1
    if role is Role.ADMINISTRATOR:  # the other first pages say it in their own place, until the next touch
        assert_only(html, widgets, SIGN_IN, "signed out")


def test_looking_at_the_accounts_is_an_event_and_shows_nothing_where_it_cannot_be_written(visit, monkeypatch):
    facts = visit.enter_as("auditor")

    def looks():
        return [item.target for item in reversed(visit.house.journal.events(100)) if item.action == "view_accounts"]

    test = AppTest.from_file(str(file_of(Page.ACCOUNTS)), default_timeout=60).run()
    assert "ada" in "".join(item.value for item in test.html)
    test.run()
    assert looks() == [""]
    test.selectbox(key="chosen_account").set_value(facts.id).run()
    test.run()
    assert looks() == ["", f"account:{facts.id}"]

    def fail(_event):
        raise StorageError("The journal takes nothing.")

    monkeypatch.setattr(visit.house.journal, "record", fail)
    html, widgets = visit.open(Page.ACCOUNTS)
    assert "The journal takes nothing." in html
    assert "mc-models" not in html
    assert widgets == 0


@pytest.mark.parametrize("minutes", [5, 14])
def test_a_part_that_runs_by_itself_does_not_keep_a_session_open(visit, minutes):
    visit.enter_as("clinician")
    house = entrance.bind(visit.house, lambda: visit.token)
    for _ in range(14 // minutes):
        visit.site.clock.turn(minutes * 60)
        assert entrance.look_up(house, visit.token).name == "account:ada"
    visit.site.clock.turn(6 * 60)
    with pytest.raises(SessionExpiredError):
        entrance.look_up(house, visit.token)


def test_what_is_left_of_a_page_never_acts_for_somebody_else(visit):
    visit.enter_as("clinician", name="ada")
    house = entrance.bind(visit.house, lambda: visit.token)
    assert house.actor.name == "account:ada"
    first = visit.token
    visit.token = visit.site.enter("ada")
    assert house.actor.name == "account:ada"  # signed in anew
    visit.enter_as("clinician", name="bea")
    with pytest.raises(SessionRevokedError):
        house.actor  # noqa: B018
    visit.token = ""  # outside a page, in a thread: the token it began with
    visit.access.sessions.end(first)
    with pytest.raises(SessionRevokedError):
        house.actor  # noqa: B018


def test_an_edit_in_a_page_that_is_open_leads_to_the_notice_once_the_session_is_over(with_models, visit):
    visit.enter_as("clinician")
    test = AppTest.from_file(str(file_of(Page.RISK)), default_timeout=60)
    test.query_params["condition"] = "diabetes"
    test.run()
    visit.site.clock.turn(16 * 60)
    test.text_input(key="age_years").set_value("61").run()
    html = "\n".join(item.value for item in test.html)
    assert "Your session is over" in html
    assert not test.text_input
    assert 'next=%2F%3Fcondition%3Ddiabetes"' in html

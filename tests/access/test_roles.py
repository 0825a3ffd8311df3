"""One table decides: everything in it is allowed, everything else is denied, for every page and state."""

import enum
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcore.access import Action, Actor, Page, Resource, Role, allowed_pages, authorize, authorize_page
from medcore.access.roles import DEMO_DENIED, GRANTS, PAGES, describe_grants, describe_pages, parse_role
from medcore.errors import AccessDeniedError, SessionError, SessionExpiredError, SessionRevokedError

DOC = Path(__file__).resolve().parents[2] / "docs" / "access.md"
OWN = {(Action.VIEW, Resource.OWN_ACCOUNT), (Action.MANAGE, Resource.OWN_ACCOUNT)}
ROLE_SETS = st.frozensets(st.sampled_from(Role))
ANYTHING = st.none() | st.integers() | st.text() | st.lists(st.text()) | st.binary()


class Intruder(enum.StrEnum):
    VIEW = "view"


def may(actor, action, resource):
    try:
        authorize(actor, action, resource)
    except AccessDeniedError:
        return False
    return True


@given(roles=ROLE_SETS, action=st.sampled_from(Action), resource=st.sampled_from(Resource))
def test_allowed_is_exactly_the_union_of_the_roles_grants(roles, action, resource):
    actor = Actor(name="account:x", roles=roles)
    assert may(actor, action, resource) == any((action, resource) in GRANTS[role] for role in roles)


@given(roles=ROLE_SETS, action=st.sampled_from(Action), resource=st.sampled_from(Resource), more=ROLE_SETS)
def test_a_role_more_never_takes_anything_away(roles, action, resource, more):
    if may(Actor(name="a", roles=roles), action, resource):
        assert may(Actor(name="a", roles=roles | more), action, resource)


@given(actor=ANYTHING, action=ANYTHING | st.sampled_from(Action), resource=ANYTHING | st.sampled_from(Resource))
def test_whoever_is_no_actor_is_denied(actor, action, resource):
    with pytest.raises(AccessDeniedError):
        authorize(actor, action, resource)


@given(action=ANYTHING, resource=ANYTHING | st.sampled_from(Resource))
def test_what_is_no_action_or_resource_is_denied_to_all_roles(action, resource):
    with pytest.raises(AccessDeniedError):
        authorize(Actor(name="a", roles=frozenset(Role)), action, resource)


def test_a_word_that_looks_like_an_action_is_none():
    everybody = Actor(name="a", roles=frozenset(Role))
    for action in ("view", Intruder.VIEW):
        with pytest.raises(AccessDeniedError):
            authorize(everybody, action, Resource.MODEL)


def test_without_a_role_only_the_own_account_is_left():
    actor = Actor(name="account:x", roles=(), account_id="1")
    assert {(a, r) for a, r in product(Action, Resource) if may(actor, a, r)} == OWN
    assert allowed_pages(actor) == (Page.ACCOUNT,)


@given(roles=ROLE_SETS, action=st.sampled_from(Action), resource=st.sampled_from(Resource))
def test_a_one_time_password_opens_nothing_but_its_change(roles, action, resource):
    actor = Actor(name="a", roles=roles, account_id="1", must_change_password=True)
    assert may(actor, action, resource) == ((action, resource) in OWN)


@given(roles=ROLE_SETS, action=st.sampled_from(Action), resource=st.sampled_from(Resource))
def test_a_demo_manages_nothing(roles, action, resource):
    granted = may(Actor(name="demo", roles=roles), action, resource)
    expected = granted and (action, resource) not in DEMO_DENIED
    assert may(Actor(name="demo", roles=roles, demo=True), action, resource) == expected


def test_who_may_never_see_patients_or_the_trail():
    patients = {role for role in Role if any(resource is Resource.PATIENT for _, resource in GRANTS[role])}
    trail = {role for role in Role if any(resource is Resource.AUDIT for _, resource in GRANTS[role])}
    accounts = {role for role in Role if (Action.MANAGE, Resource.ACCOUNTS) in GRANTS[role]}
    assert patients == {Role.CLINICIAN, Role.RADIOLOGIST}
    assert trail == {Role.AUDITOR}
    assert accounts == {Role.ADMINISTRATOR}


def test_an_actor_cannot_be_changed_or_given_a_role_that_is_none():
    actor = Actor(name="a", roles={"clinician"})
    assert actor.roles == {Role.CLINICIAN}
    with pytest.raises(AttributeError):
        actor.roles = frozenset(Role)
    with pytest.raises(ValueError, match="emperor"):
        Actor(name="a", roles={"emperor"})


def test_the_table_itself_cannot_be_changed():
    with pytest.raises(TypeError):
        GRANTS[Role.AUDITOR] = frozenset(product(Action, Resource))
    with pytest.raises(TypeError):
        PAGES[Page.AUDIT] = (Action.VIEW, Resource.MODEL)


def test_a_denial_names_the_role_and_the_thing_in_plain_words():
    with pytest.raises(AccessDeniedError, match=r"^Your role \(analyst\) may not view: patients and their cases\."):
        authorize(Actor(name="a", roles={Role.ANALYST}), Action.VIEW, Resource.PATIENT)
    with pytest.raises(AccessDeniedError, match="Sign in first"):
        authorize(None, Action.VIEW, Resource.MODEL)


@pytest.mark.parametrize("word", ["", "root", "Administrator\0", "clinician radiologist"])
def test_an_unknown_role_is_refused(word):
    with pytest.raises(AccessDeniedError, match="no such role"):
        parse_role(word)
    assert parse_role(" Auditor ") is Role.AUDITOR


# Every page x every role x every state of the session. The table is written out here, so that a change of
# the grants shows as a change of this test.
EVERYBODYS = {Page.SITE, Page.ACCOUNT}
OPENS = {
    Role.CLINICIAN: {Page.RISK, Page.PATIENTS, Page.COMPARE, Page.EXPLORE, Page.AGREEMENT, Page.MODELS, *EVERYBODYS},
    Role.RADIOLOGIST: {Page.XRAY, Page.PATIENTS, Page.COMPARE, Page.EXPLORE, Page.AGREEMENT, Page.MODELS, *EVERYBODYS},
    Role.ANALYST: {Page.COMPARE, Page.EXPLORE, Page.AGREEMENT, Page.MODELS, *EVERYBODYS},
    Role.AUDITOR: {Page.AGREEMENT, Page.MODELS, Page.AUDIT, Page.ACCOUNTS, *EVERYBODYS},
    Role.ADMINISTRATOR: {Page.AGREEMENT, Page.MODELS, Page.ACCOUNTS, *EVERYBODYS},
}
STATES = {
    "signed in": None,
    "signed out": SessionExpiredError,
    "never signed in": SessionExpiredError,
    "idle too long": SessionExpiredError,
    "open too long": SessionExpiredError,
    "revoked": SessionRevokedError,
    "switched off": SessionRevokedError,
    "role removed": AccessDeniedError,
}


def bring_about(site, state, role, token, account):
    """Bring the session of ``token`` into a state; return the token to ask with."""
    if state == "signed out":
        site.sessions.end(token)
    elif state == "never signed in":
        return "A" * 43
    elif state == "idle too long":
        site.clock.turn(15 * 60)
    elif state == "open too long":
        for _ in range(12 * 6):
            site.clock.turn(10 * 60)
            if site.clock.now_s - 1_800_000_000 < 12 * 3600:
                site.sessions.check(token)
    elif state == "revoked":
        site.sessions.revoke_all(site.administrator, account.id)
    elif state == "switched off":
        site.accounts.disable(site.administrator, account.id)
    elif state == "role removed":
        other = Role.ANALYST if role is Role.AUDITOR else Role.AUDITOR
        site.accounts.set_roles(site.administrator, account.id, [other])
    return token


@pytest.mark.parametrize("role", Role, ids=str)
@pytest.mark.parametrize("state", STATES)
def test_every_page_for_every_role_in_every_state_of_the_session(site, role, state):
    site.add("chief", [Role.ADMINISTRATOR])
    account = site.add("ada", [role])
    token = site.enter("ada")
    site.sessions.check(token)
    token = bring_about(site, state, role, token, account)
    expected = STATES[state]
    for page in Page:
        if expected is not None and issubclass(expected, SessionError):
            wanted = SessionRevokedError if state == "signed out" else expected
            with pytest.raises(wanted):
                site.sessions.check(token)
            continue
        actor = site.sessions.check(token)
        now = next(iter(actor.roles))
        assert (now is role) == (state == "signed in")
        if page in OPENS[now]:
            authorize_page(actor, page)
        else:
            with pytest.raises(AccessDeniedError):
                authorize_page(actor, page)
        assert (page in allowed_pages(actor)) == (page in OPENS[now])


def test_a_page_that_is_none_is_denied():
    for guess in ("audit", "../audit", "", None, "risk?role=auditor"):
        with pytest.raises(AccessDeniedError):
            authorize_page(Actor(name="a", roles=frozenset(Role)), guess)


def test_every_page_and_role_has_a_row_and_is_reachable():
    assert set(PAGES) == set(Page)
    assert set(GRANTS) == set(Role)
    assert all(any(page in OPENS[role] for role in Role) for page in Page)


@pytest.mark.parametrize("describe", [describe_grants, describe_pages])
def test_the_page_of_documentation_holds_the_table(describe):
    assert describe() in DOC.read_text(encoding="utf-8"), f"put this into docs/access.md:\n\n{describe()}"

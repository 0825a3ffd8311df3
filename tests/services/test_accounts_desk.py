"""Accounts as the pages show them: who may see, who may change, and what is said of the first start."""

from dataclasses import replace

import fake_models
import pytest
from access_site import CHEAP, Site, TurnedClock

from medcore.access import Role, open_access
from medcore.access.demo import make_demo_actor
from medcore.config import read_settings
from medcore.errors import (
    AccessDeniedError,
    AccountError,
    NewPasswordError,
    SessionExpiredError,
    SessionRevokedError,
    StorageError,
)
from medcore.services.trust import accounts_desk as desk
from medcore.services.trust import entrance

CHANGES = (
    lambda house, account: desk.create_account(house, "new", ["analyst"]),
    lambda house, account: desk.set_roles(house, account, ["analyst"]),
    lambda house, account: desk.reset_password(house, account),
    lambda house, account: desk.switch_off(house, account),
    lambda house, account: desk.switch_on(house, account),
    lambda house, account: desk.end_sessions(house, account),
)


@pytest.fixture
def site(tmp_path):
    clock, house = TurnedClock(), fake_models.make_house(tmp_path)
    access = open_access(tmp_path, house.journal, clock=clock, cost=CHEAP)
    made = Site(access=access, journal=house.journal, clock=clock, folder=tmp_path)
    made.house = replace(house, access=access, who=lambda: None)
    made.add(name="bea")
    yield made
    access.close()


def enter(site, *roles):
    site.add(name="ada", roles=roles)
    token = site.enter()
    return entrance.bind(site.house, lambda: token)


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.RADIOLOGIST, Role.ANALYST])
def test_readers_and_analysts_see_no_accounts(site, role):
    house = enter(site, role)
    for look in (desk.list_people, desk.note_look):
        with pytest.raises(AccessDeniedError):
            look(house)
    assert not desk.may_manage(house)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMINISTRATOR])
@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_only_an_administrator_changes_accounts(site, role, number):
    house = enter(site, role)
    before = site.accounts.list_accounts(site.administrator)
    with pytest.raises(AccessDeniedError):
        CHANGES[number](house, before[0].id)
    assert site.accounts.list_accounts(site.administrator) == before


def test_an_auditor_sees_accounts_and_sessions(site):
    house = enter(site, Role.AUDITOR)
    assert [(person.facts.name, person.n_sessions) for person in desk.list_people(house)] == [("ada", 1), ("bea", 0)]
    assert not desk.may_manage(house)


def test_a_look_is_written_down_with_role_session_and_the_account_looked_at(site):
    house = enter(site, Role.AUDITOR)
    desk.note_look(house)
    desk.note_look(house, "0123")
    second, first = site.journal.events(2)
    assert {(item.actor, item.role, item.action, item.outcome) for item in (first, second)} == {
        ("account:ada", "auditor", "view_accounts", "shown")
    }
    assert (first.target, second.target) == ("", "account:0123")
    assert first.session == house.actor.session_id


def test_nobody_ends_the_session_of_somebody_else(site):
    house = enter(site, Role.CLINICIAN)
    site.enter("bea")
    (other,) = site.sessions.list_sessions(site.administrator, site.accounts.find(site.administrator, "bea").id)
    for number in (other.id, "0" * 16):
        with pytest.raises(AccessDeniedError):
            desk.end_session(house, number)
    assert desk.list_own_sessions(house)[0].id != other.id


def test_an_administrator_makes_changes_and_ends_sessions(site):
    house = enter(site, Role.ADMINISTRATOR)
    desk.create_account(house, "new", ["analyst", "auditor"])
    new = site.accounts.find(site.administrator, "new")
    assert new.roles == ("analyst", "auditor")
    with pytest.raises(AccountError):
        desk.create_account(house, "NEW", ["analyst"])
    with pytest.raises(AccountError):
        desk.create_account(house, "other", [])
    with pytest.raises(AccountError):
        desk.switch_off(house, house.actor.account_id)
    site.enter("bea")
    bea = site.accounts.find(site.administrator, "bea").id
    assert desk.end_sessions(house, bea) == 1
    assert desk.list_sessions(house, bea) == ()


def test_the_own_password_is_changed_and_everything_ended(site):
    house = enter(site, Role.CLINICIAN)
    with pytest.raises(NewPasswordError):
        desk.change_password(house, "three quiet herons at dawn", "seven slow rivers bend", "seven slow rivers bent")
    desk.change_password(house, "three quiet herons at dawn", "seven slow rivers bend", "seven slow rivers bend")
    assert desk.read_own(house).name == "ada"
    assert desk.end_own_sessions(house) == 1
    with pytest.raises(SessionRevokedError):
        desk.read_own(house)


def test_a_demo_has_no_accounts(tmp_path):
    house = replace(fake_models.make_house(tmp_path), who=make_demo_actor)
    with pytest.raises(AccessDeniedError):
        desk.list_people(house)
    assert desk.list_own_sessions(house) == ()
    assert not desk.may_manage(house)


def test_the_first_start_makes_one_administrator_and_a_demo_none(tmp_path):
    settings = read_settings({"MEDCORE_DATA": str(tmp_path)})
    assert entrance.create_first_administrator(replace(settings, demo=True)) is None
    password = entrance.create_first_administrator(settings)
    assert password.user_name == "administrator"
    assert password.password not in repr(password)
    assert entrance.create_first_administrator(settings) is None


def test_a_disk_that_takes_nothing_more_does_not_sign_anybody_out(site, monkeypatch):
    house = enter(site, Role.CLINICIAN)

    def fail(*_):
        raise StorageError("The file of accounts is read-only.")

    monkeypatch.setattr(site.access.store, "use_session", fail)
    site.clock.turn(60)
    assert house.actor.name == "account:ada"
    site.clock.turn(15 * 60)
    with pytest.raises(SessionExpiredError):
        house.actor  # noqa: B018

"""Accounts: the first administrator, signing in, changing, and everything that is refused."""

import subprocess
import sys

import pytest
from access_site import CHEAP, TurnedClock
from hostile_names import SEEN, UNSEEN
from sqlalchemy import select

from medcore.access import Actor, Role, open_access
from medcore.access.names import fold_user_name
from medcore.access.oidc import Identity
from medcore.access.passwords import HashCost
from medcore.access.records import Source
from medcore.errors import (
    AccessDeniedError,
    AccountError,
    NewPasswordError,
    SessionRevokedError,
    SignInError,
    StorageError,
)
from medcore.journal import open_journal
from medcore.journal.schema import Base

PASSWORD = "three quiet herons at dawn"
NEW = "nine copper kettles sing"


def stored(site, name="ada"):
    return site.access.store.find_account(Source.LOCAL, fold_user_name(name))


def test_the_first_administrator_gets_a_password_once(site):
    once = site.accounts.create_first_administrator()
    assert once.user_name == "administrator"
    assert once.password not in repr(once)
    assert site.accounts.create_first_administrator() is None
    token = site.sessions.start(site.accounts.sign_in("administrator", once.password))
    actor = site.sessions.check(token)
    assert actor.roles == {Role.ADMINISTRATOR}
    assert actor.must_change_password
    with pytest.raises(AccessDeniedError, match="one-time password"):
        site.accounts.list_accounts(actor)
    site.accounts.change_password(actor, once.password, PASSWORD)
    actor = site.sessions.check(token)
    assert not actor.must_change_password
    assert [item.name for item in site.accounts.list_accounts(actor)] == ["administrator"]
    with pytest.raises(SignInError):
        site.accounts.sign_in("administrator", once.password)


FIRST = """
import sys
from pathlib import Path
from medcore.access import open_access
from medcore.access.passwords import HashCost
class Quiet:
    def record(self, event): return 1
access = open_access(Path(sys.argv[1]), Quiet(), cost=HashCost(memory_kib=1024, passes=1, lanes=1))
print(access.accounts.create_first_administrator() is not None)
"""


def test_of_processes_that_start_at_once_one_makes_the_first_administrator(tmp_path):
    started = [
        subprocess.Popen([sys.executable, "-c", FIRST, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    answers = [process.communicate(timeout=60)[0].strip() for process in started]
    assert sorted(answers) == ["False", "False", "False", "True"]


def test_a_one_time_password_works_for_three_days(site):
    once = site.accounts.create(site.administrator, "ada", [Role.CLINICIAN])
    site.clock.turn(72 * 3600 - 1)
    assert site.accounts.sign_in("ada", once.password).name == "ada"
    site.clock.turn(1)
    with pytest.raises(SignInError):
        site.accounts.sign_in("ada", once.password)


def test_all_refusals_of_a_sign_in_say_the_same(site):
    site.add("ada")
    site.add("bob")
    site.accounts.disable(site.administrator, site.accounts.find(site.administrator, "bob").id)
    messages = set()
    for name, password in (("ada", "wrong"), ("nobody there", PASSWORD), ("bob", PASSWORD), ("ada", ""), ("", "")):
        with pytest.raises(SignInError) as caught:
            site.accounts.sign_in(name, password)
        assert type(caught.value) is SignInError
        messages.add(caught.value.message)
    assert len(messages) == 1


def test_what_is_written_about_sign_ins_holds_no_unknown_name_and_no_password(site):
    site.add("ada")
    site.accounts.sign_in("ada", PASSWORD, address="203.0.113.9")
    for name in ("ada", "hunter2hunter2"):
        with pytest.raises(SignInError):
            site.accounts.sign_in(name, "hunter2hunter2", address="203.0.113.9")
    assert site.events()[-3:] == [
        ("account:ada", "sign-in", "done"),
        ("account:ada", "sign-in", "refused"),
        ("unknown", "sign-in", "refused"),
    ]
    with site.journal.reading() as (connection, _):
        kept = repr([list(connection.execute(select(table))) for table in Base.metadata.sorted_tables])
    for secret in ("hunter2", "203.0.113.9", PASSWORD):
        assert secret not in kept
    assert "ada" in kept  # so the search finds what is there


def test_nothing_is_done_when_it_cannot_be_written(tmp_path):
    class Full:
        def record(self, event):
            raise StorageError("The disk or the journal is full. Nothing was done.")

    journal = open_journal(tmp_path)
    access = open_access(tmp_path, journal, clock=TurnedClock(), cost=CHEAP)
    administrator = Actor(name="local:test", roles={Role.ADMINISTRATOR})
    once = access.accounts.create(administrator, "ada", [Role.ADMINISTRATOR])
    other = access.accounts.create(administrator, "bob", [Role.ADMINISTRATOR])
    token = access.sessions.start(access.accounts.sign_in("ada", once.password))
    full = open_access(tmp_path, Full(), clock=TurnedClock(), cost=CHEAP)
    bob = full.accounts.find(administrator, "bob")
    before = full.store.list_accounts(), full.store.list_sessions()
    actions = [
        lambda: full.accounts.sign_in("bob", other.password),
        lambda: full.accounts.create(administrator, "eve", [Role.ANALYST]),
        lambda: full.accounts.disable(administrator, bob.id),
        lambda: full.accounts.set_roles(administrator, bob.id, [Role.AUDITOR]),
        lambda: full.accounts.reset_password(administrator, bob.id),
        lambda: full.accounts.change_password(full.sessions.check(token), once.password, PASSWORD),
        lambda: full.sessions.revoke_all(administrator, bob.id),
        lambda: full.sessions.start(full.store.get_account(bob.id)),
        lambda: full.sessions.end(token),
    ]
    for action in actions:
        with pytest.raises(StorageError):
            action()
    assert (full.store.list_accounts(), full.store.list_sessions()) == before
    full.close()
    access.close()
    journal.close()


def test_changing_the_password_ends_the_other_sessions(site):
    site.add("ada")
    here, there = site.enter("ada"), site.enter("ada")
    site.accounts.change_password(site.sessions.check(here), PASSWORD, NEW)
    assert site.sessions.check(here).name == "account:ada"
    with pytest.raises(SessionRevokedError, match="password changed"):
        site.sessions.check(there)
    with pytest.raises(SignInError):
        site.enter("ada", PASSWORD)
    assert site.enter("ada", NEW)


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("wrong", NEW, SignInError),
        (PASSWORD, "short", NewPasswordError),
        (PASSWORD, PASSWORD, NewPasswordError),
        (PASSWORD, "password1234", NewPasswordError),
    ],
)
def test_a_change_of_password_that_is_refused_changes_nothing(site, old, new, error):
    site.add("ada")
    actor = site.sessions.check(site.enter("ada"))
    before = stored(site)
    with pytest.raises(error):
        site.accounts.change_password(actor, old, new)
    assert stored(site) == before


def test_guessing_the_old_password_is_slowed_down_like_signing_in(site):
    site.add("ada")
    actor = site.sessions.check(site.enter("ada"))
    for _ in range(5):
        with pytest.raises(SignInError):
            site.accounts.change_password(actor, "wrong", NEW)
    with pytest.raises(SignInError, match="Too many wrong attempts"):
        site.accounts.change_password(actor, PASSWORD, NEW)


def test_a_password_is_hashed_anew_when_the_cost_is_raised(site):
    site.add("ada")
    costly = open_access(site.folder, site.journal, clock=site.clock, cost=HashCost(memory_kib=2048, passes=1, lanes=1))
    before = stored(site).password_hash
    costly.accounts.sign_in("ada", PASSWORD)
    after = stored(site).password_hash
    assert "m=1024" in before
    assert "m=2048" in after
    assert costly.accounts.sign_in("ada", PASSWORD).password_hash == after
    costly.close()


def test_a_reset_ends_sessions_and_the_lock_out(site):
    account = site.add("ada")
    token = site.enter("ada")
    for _ in range(6):
        with pytest.raises(SignInError):
            site.accounts.sign_in("ada", "wrong")
    once = site.accounts.reset_password(site.administrator, account.id)
    with pytest.raises(SessionRevokedError, match="password reset"):
        site.sessions.check(token)
    assert site.accounts.sign_in("ada", once.password).must_change_password


def test_only_administrators_change_accounts(site):
    account = site.add("ada")
    for role in set(Role) - {Role.ADMINISTRATOR}:
        actor = Actor(name="account:x", roles={role}, account_id="x")
        for act in (
            lambda actor=actor: site.accounts.create(actor, "eve", [Role.ADMINISTRATOR]),
            lambda actor=actor: site.accounts.reset_password(actor, account.id),
            lambda actor=actor: site.accounts.disable(actor, account.id),
            lambda actor=actor: site.accounts.enable(actor, account.id),
            lambda actor=actor: site.accounts.set_roles(actor, account.id, [Role.ADMINISTRATOR]),
        ):
            with pytest.raises(AccessDeniedError):
                act()
    assert site.accounts.find(site.administrator, "ada") == account


def test_nobody_gives_himself_a_role(site):
    account = site.add("ada")
    actor = site.sessions.check(site.enter("ada"))
    with pytest.raises(AccessDeniedError):
        site.accounts.set_roles(actor, account.id, list(Role))


def test_the_last_administrator_stays(site):
    first, second = site.add("ada", [Role.ADMINISTRATOR]), site.add("bob", [Role.ADMINISTRATOR])
    site.accounts.disable(site.administrator, second.id)
    with pytest.raises(AccountError, match="last administrator"):
        site.accounts.disable(site.administrator, first.id)
    with pytest.raises(AccountError, match="last administrator"):
        site.accounts.set_roles(site.administrator, first.id, [Role.ANALYST])
    site.accounts.enable(site.administrator, second.id)
    site.accounts.set_roles(site.administrator, first.id, [Role.ANALYST])
    assert site.accounts.find(site.administrator, "ada").roles == ("analyst",)


def test_an_account_needs_a_role_and_an_account(site):
    account = site.add("ada")
    with pytest.raises(AccountError, match="needs a role"):
        site.accounts.set_roles(site.administrator, account.id, [])
    with pytest.raises(AccountError, match="no such account"):
        site.accounts.disable(site.administrator, "0" * 16)
    with pytest.raises(AccountError, match="no account of that name"):
        site.accounts.find(site.administrator, "eve")


@pytest.mark.parametrize("name", SEEN)
def test_a_hostile_name_is_a_name_kept_exactly(site, name):
    site.add(name)
    assert [item.name for item in site.accounts.list_accounts(site.administrator)] == [name]
    assert site.sessions.check(site.enter(name)).name == f"account:{name}"
    assert site.events()[-1][0] == f"account:{name}"
    with pytest.raises(AccountError, match="already"):
        site.accounts.create(site.administrator, name.upper(), [Role.ANALYST])


@pytest.mark.parametrize("name", UNSEEN, ids=lambda name: ascii(name)[:30])
def test_a_name_that_cannot_be_told_apart_is_refused_and_no_sign_in_breaks_on_it(site, name):
    with pytest.raises(AccountError, match="user name"):
        site.accounts.create(site.administrator, name, [Role.ANALYST])
    assert site.accounts.list_accounts(site.administrator) == ()
    with pytest.raises(SignInError, match="wrong"):
        site.accounts.sign_in(name, name)


def test_case_and_compatibility_forms_are_one_name(site):
    site.add("Ada Ⅷ")
    for spelling in ("ada viii", "ADA Ⅷ", "Ada ⅷ", "ａｄａ viii"):
        assert site.accounts.sign_in(spelling, PASSWORD).name == "Ada Ⅷ"


def identity(site, roles=(Role.ANALYST,), name="grace", subject="s-1"):
    return Identity(
        issuer="https://id.example", subject=subject, name=name, roles=frozenset(roles), confirmed_s=site.clock.now_s
    )


def test_somebody_from_the_identity_provider_has_an_account_without_a_password(site):
    account = site.accounts.admit(identity(site))
    actor = site.sessions.check(site.sessions.start(account))
    assert (actor.name, actor.roles) == ("oidc:grace", {Role.ANALYST})
    for password in ("", "wrong"):
        with pytest.raises(SignInError):
            site.accounts.sign_in("grace", password)
    with pytest.raises(AccountError, match="identity provider"):
        site.accounts.change_password(actor, "", NEW)
    with pytest.raises(AccountError, match="identity provider"):
        site.accounts.reset_password(site.administrator, account.id)
    with pytest.raises(AccountError, match="identity provider"):
        site.accounts.set_roles(site.administrator, account.id, [Role.ADMINISTRATOR])


def test_a_local_and_a_foreign_account_of_one_name_are_two(site):
    site.add("grace", [Role.CLINICIAN])
    foreign = site.accounts.admit(identity(site))
    other = site.accounts.admit(identity(site, subject="s-2"))
    assert len({foreign.id, other.id, site.accounts.find(site.administrator, "grace").id}) == 3
    assert site.sessions.check(site.enter("grace")).roles == {Role.CLINICIAN}


def test_the_provider_changes_roles_and_name_of_the_same_person(site):
    first = site.accounts.admit(identity(site))
    site.clock.turn(60)
    second = site.accounts.admit(identity(site, roles=[Role.AUDITOR], name="grace h"))
    assert second.id == first.id
    assert (second.name, second.roles) == ("grace h", {Role.AUDITOR})


def test_one_word_of_the_provider_opens_one_session(site):
    word = identity(site)
    account = site.accounts.admit(word)
    token = site.sessions.start(account)
    with pytest.raises(SessionRevokedError, match="Sign in again"):
        site.accounts.admit(word)
    site.clock.turn(10)
    later = identity(site)
    site.clock.turn(10)
    site.sessions.revoke_all(site.administrator, account.id)
    with pytest.raises(SessionRevokedError):
        site.sessions.check(token)
    with pytest.raises(SessionRevokedError):
        site.accounts.admit(later)
    site.clock.turn(1)
    assert site.accounts.admit(identity(site)).id == account.id


def test_an_account_that_is_off_is_not_admitted(site):
    account = site.accounts.admit(identity(site))
    site.accounts.disable(site.administrator, account.id)
    site.clock.turn(60)
    with pytest.raises(SignInError, match="switched off"):
        site.accounts.admit(identity(site))
    assert site.events()[-1] == ("oidc:grace", "sign-in", "refused")

"""What a store of accounts and sessions must do, for every back end: a test class gives the fixture ``store``."""

from dataclasses import replace

import pytest

from medcore.access.records import Account, Attempts, Session, Source
from medcore.access.roles import Role
from medcore.errors import AccountError, StorageError
from medcore.journal import Event

ADA = Account(id="a1", source=Source.LOCAL, key="ada", name="Ada", roles=frozenset({Role.AUDITOR}), created_s=5.0)


class StoreContract:
    def test_what_was_kept_comes_back(self, store):
        full = replace(
            ADA, password_hash="h", disabled=True, must_change_password=True, one_time_until_s=9.5, not_before_s=2.0
        )
        store.add_account(full)
        assert store.get_account("a1") == store.find_account(Source.LOCAL, "ada") == store.list_accounts()[0] == full
        assert store.get_account("a2") is None
        assert store.find_account(Source.OIDC, "ada") is None
        session = Session(id="s1", token_hash="t", account_id="a1", started_s=1_800_000_000.123, used_s=2.0)
        store.add_session(session)
        assert store.find_session("t") == store.list_sessions("a1")[0] == session
        assert store.list_sessions("a2") == ()
        store.write_attempts("k", Attempts(count=2, last_s=3.0, wait_s=0.0))
        store.write_attempts("k", Attempts(count=3, last_s=4.0, wait_s=5.0))
        assert store.read_attempts("k") == Attempts(count=3, last_s=4.0, wait_s=5.0)
        store.forget_attempts(5.0)
        assert store.read_attempts("k") == Attempts()

    def test_a_session_is_used_ended_and_forgotten(self, store):
        store.add_account(ADA)
        store.add_session(Session(id="s1", token_hash="t", account_id="a1", started_s=1.0, used_s=2.0))
        store.use_session("s1", 5.0)
        store.use_session("s1", 4.0)
        assert store.find_session("t").used_s == 5.0
        assert [store.end_session("s1", why) for why in ("signed out", "expired")] == [True, False]
        store.use_session("s1", 9.0)
        assert (store.find_session("t").ended, store.find_session("t").used_s) == ("signed out", 5.0)
        store.forget_sessions(1.5)
        assert store.find_session("t") is None

    def test_a_key_is_taken_once(self, store):
        store.add_account(ADA)
        with pytest.raises(AccountError, match="already"):
            store.add_account(replace(ADA, id="a2"))
        store.add_account(replace(ADA, id="a2", source=Source.OIDC))

    def test_a_key_that_is_no_text_is_nobodys(self, store):
        store.add_account(ADA)
        for key in ("ada\0", "\ud800", "\0"):
            assert store.find_account(Source.LOCAL, key) is None
            assert store.get_account(key) is None
            assert store.list_sessions(key) == ()

    def test_of_two_changes_at_once_the_second_is_told(self, store):
        store.add_account(ADA)
        first = second = store.get_account("a1")
        store.save_account(replace(first, disabled=True))
        with pytest.raises(AccountError, match="somebody else"):
            store.save_account(replace(second, roles=frozenset(Role)))
        assert store.get_account("a1").roles == {Role.AUDITOR}

    def test_all_or_nothing_with_the_events(self, store):
        store.add_account(ADA)
        store.journal.record(Event(actor="a", action="x", outcome="done"))

        def break_off():
            with store.writing():
                store.journal.record(Event(actor="a", action="y", outcome="done"))
                store.save_account(replace(ADA, disabled=True))
                assert store.get_account("a1").disabled
                raise KeyError

        with pytest.raises(KeyError):
            break_off()
        assert store.get_account("a1") == ADA
        with store.writing():
            store.journal.record(Event(actor="a", action="z", outcome="done"))
            store.save_account(replace(ADA, disabled=True))
        assert store.get_account("a1").disabled
        assert [event.action for event in store.journal.events()] == ["z", "x"]
        assert store.journal.audit.verify().ok

    def test_a_part_that_failed_and_was_swallowed_fails_the_whole(self, store):
        def swallow():
            with store.writing():
                store.add_account(ADA)
                with pytest.raises(StorageError):
                    store.add_session(Session(id="s", token_hash="t", account_id="ghost", started_s=1.0, used_s=1.0))

        with pytest.raises(StorageError, match="A part"):
            swallow()
        assert store.list_accounts() == ()

    def test_a_session_of_nobody_cannot_be_kept(self, store):
        with pytest.raises(StorageError):
            store.add_session(Session(id="s1", token_hash="t", account_id="ghost", started_s=1.0, used_s=1.0))

    def test_a_word_in_the_table_that_is_no_role_grants_nothing(self, store):
        store.add_account(ADA)
        with store.journal.writing() as pen:
            pen.connection.exec_driver_sql("UPDATE accounts SET roles = 'emperor administrators Auditor'")
        assert store.get_account("a1").roles == frozenset()

    def test_fingerprints_stay(self, store):
        before = [store.blind(text) for text in ("", "x", "y", "\ud800")]
        assert len(set(before)) == 4
        store.journal.close()
        assert [store.blind(text) for text in ("", "x", "y", "\ud800")] == before

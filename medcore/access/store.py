"""Accounts and sessions in the journal's database: the encrypted file, or PostgreSQL.

Every failure is a :class:`~medcore.errors.StorageError`, and then nobody gets in: there is no way
around the store. Several processes, and with PostgreSQL several hosts, may use it at once. What is
written to the journal inside ``writing`` belongs to the same transaction.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from medcore.access.records import Account, Attempts, Session, Source
from medcore.access.roles import Role
from medcore.errors import AccountError
from medcore.journal import Journal

if TYPE_CHECKING:
    from medcore.journal.people import People, Row

__all__ = ["JournalStore"]


class JournalStore:
    """The store of one installation. All methods may be called from any thread.

    Parameters
    ----------
    journal : Journal or Path
        The journal that holds it, which whoever opened it closes; or its data folder.
    """

    def __init__(self, journal: Journal | Path) -> None:
        self._own = not isinstance(journal, Journal)
        self.journal = journal if isinstance(journal, Journal) else Journal(journal)

    @property
    def _people(self) -> People:
        return self.journal.people

    def writing(self) -> AbstractContextManager[None]:
        """Hold everybody else off, in this and in other processes: all or nothing is written.

        Raises
        ------
        StorageError
            It could not be written, and nothing was.
        """
        return self._people.writing()

    def blind(self, text: str) -> str:
        """Return HMAC-SHA256 of ``text`` under a key drawn once for this installation."""
        from medcore.journal.people import fingerprint

        return fingerprint(self._people.read_salt(), text)

    def list_accounts(self) -> tuple[Account, ...]:
        """Return all accounts, by name."""
        return tuple(map(_to_account, self._people.list_accounts()))

    def find_account(self, source: Source, key: str) -> Account | None:
        """Return the account with that key, or None; a key that is no text (half a character) is nobody's."""
        row = self._people.find_account(source.value, key) if _is_text(key) else None
        return _to_account(row) if row else None

    def get_account(self, account_id: str) -> Account | None:
        """Return the account with that id, or None."""
        row = self._people.get_account(account_id) if _is_text(account_id) else None
        return _to_account(row) if row else None

    def add_account(self, account: Account) -> None:
        """Add one.

        Raises
        ------
        AccountError
            There is one with that key.
        """
        with self.writing():
            if self.find_account(account.source, account.key):
                raise AccountError("There is an account of that name already.", field="name", value=account.name)
            self._people.add_account(_from_account(account))

    def save_account(self, account: Account) -> Account:
        """Replace the account of the same id and version, and return it with its new version.

        Raises
        ------
        AccountError
            Another change came first.
        """
        saved = replace(account, version=account.version + 1)
        if not self._people.replace_account(_from_account(saved), version=account.version):
            raise AccountError("The account was changed by somebody else just now. Look at it again.")
        return saved

    def read_attempts(self, key: str) -> Attempts:
        """Return what was tried under ``key``."""
        row = self._people.read_attempts(key)
        return Attempts(count=row["count"], last_s=row["last_s"], wait_s=row["wait_s"]) if row else Attempts()

    def write_attempts(self, key: str, attempts: Attempts) -> None:
        """Replace what was tried under ``key``; a count of 0 removes it."""
        if attempts.count <= 0:
            self._people.remove_attempts(key)
        else:
            self._people.write_attempts({"key": key, **asdict(attempts)})

    def forget_attempts(self, before_s: float) -> None:
        """Remove what was last tried before that time."""
        self._people.forget_attempts(before_s)

    def add_session(self, session: Session) -> None:
        """Add one."""
        self._people.add_session(asdict(session))

    def find_session(self, token_hash: str) -> Session | None:
        """Return the session of that token, or None."""
        row = self._people.find_session(token_hash)
        return Session(**row) if row else None

    def list_sessions(self, account_id: str | None = None) -> tuple[Session, ...]:
        """Return the sessions of one account or of all, newest first, ended ones included."""
        if account_id is not None and not _is_text(account_id):
            return ()
        return tuple(Session(**row) for row in self._people.list_sessions(account_id))

    def use_session(self, session_id: str, used_s: float) -> None:
        """Note that it is in use."""
        self._people.use_session(session_id, used_s)

    def end_session(self, session_id: str, why: str) -> bool:
        """End it unless it has ended; say whether this call did."""
        return self._people.end_session(session_id, why)

    def forget_sessions(self, before_s: float) -> None:
        """Remove those that started before that time."""
        self._people.forget_sessions(before_s)

    def close(self) -> None:
        """Close the journal if this store opened it; the next use opens it again."""
        if self._own:
            self.journal.close()

    def __enter__(self) -> JournalStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_text(key: str) -> bool:
    """Say whether both back ends can look for it: no half characters, no null character."""
    return "\0" not in key and (key.isascii() or key.encode(errors="ignore").decode() == key)


def _from_account(account: Account) -> Row:
    return {
        **asdict(account),
        "source": account.source.value,
        "roles": " ".join(sorted(account.roles)),
        "disabled": int(account.disabled),
        "must_change_password": int(account.must_change_password),
    }


def _to_account(row: Row) -> Account:
    words = set(str(row["roles"]).split())
    made = {
        "source": Source(row["source"]),
        "roles": frozenset(role for role in Role if role.value in words),  # a word that is no role grants nothing
        "disabled": bool(row["disabled"]),
        "must_change_password": bool(row["must_change_password"]),
    }
    return Account(**{**row, **made})

"""The journal of one installation: events in a signed chain, and the cases that were saved.

Services write the event first and show the result afterwards. Every failure to write is a
:class:`~medcore.errors.StorageError`, and then the action is refused. Inputs of an event are kept as
a keyed hash only, with a key drawn once per installation, so that the same patient typed twice can be
recognised here and nowhere else.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import hmac
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from medcore.config import Settings, read_settings
from medcore.errors import MedcoreError, ReadOnlyError, StorageError
from medcore.journal.event import Event
from medcore.journal.folder import Folder
from medcore.journal.head import advance, check_head

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from medcore.journal.assessments import Assessments
    from medcore.journal.audit import Audit
    from medcore.journal.drafts import Drafts
    from medcore.journal.images import Images
    from medcore.journal.opening import Opened
    from medcore.journal.operating_points import OperatingPoints
    from medcore.journal.outcomes import Outcomes
    from medcore.journal.patients import Patients
    from medcore.journal.pen import Pen
    from medcore.journal.people import People
    from medcore.journal.ring import Ring
    from medcore.journal.site import Site
    from medcore.journal.verdicts import Verdicts

__all__ = ["Journal", "open_journal"]

_log = logging.getLogger(__name__)
_READ_ONLY_HINT = " To read all the same, start medcore with MEDCORE_READ_ONLY=on."


def _read_clock() -> datetime:
    return datetime.now(UTC)


class Journal:
    """The journal of one installation. All methods may be called from any thread.

    Parameters
    ----------
    folder : Path
        The data folder of the settings; created (mode 0700) together with the files (mode 0600) on
        first use, not before.
    clock : callable, optional
        Gives the time of an event, in UTC.
    busy_s : float, optional
        How long to wait for another program that writes, seconds.
    settings : Settings, optional
        Where the master key and the database are; default: read from the environment.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Journal(Path(folder)) as journal:
    ...     journal.record(Event(actor="local:doctest", action="predict", outcome="scored"))
    1
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], datetime] = _read_clock,
        busy_s: float = 5.0,
        settings: Settings | None = None,
    ) -> None:
        self.folder = Folder(Path(folder))
        self.path = self.folder.database
        self._clock = clock
        self._busy_s = busy_s
        self._settings = settings
        self._lock = threading.RLock()
        self._opened: Opened | None = None
        self._ready = False  # opened, and what is to be taken over was
        self._recovery_key: str | None = None
        self._read_only = False
        self._pragmas: tuple[str, ...] = ()
        self._own = threading.local()  # the pen of the transaction that this thread is in

    def record(self, event: Event) -> int:
        """Write one event durably and return its number.

        Raises
        ------
        StorageError
            It could not be written; the action must be refused.
        """
        with self.writing() as pen:
            return pen.record(replace(event, input_hash=self._key(event.input_hash)))

    def events(self, limit: int = 100, *, patient: str | None = None, before: int | None = None) -> tuple[Event, ...]:
        """Return the newest ``limit`` events, newest first; of one pseudonym, or older than a number.

        Raises
        ------
        StorageError
            The journal cannot be read.
        """
        with self.reading() as (connection, _):
            from medcore.journal import chain

            return chain.read_events(connection, limit=limit, patient=patient, before=before)

    @property
    def audit(self) -> Audit:
        """Checking and exporting the chain."""
        from medcore.journal.audit import Audit

        return Audit(self)

    @property
    def patients(self) -> Patients:
        """Patients under pseudonyms."""
        from medcore.journal.patients import Patients

        return Patients(self)

    @property
    def assessments(self) -> Assessments:
        """Saved results."""
        from medcore.journal.assessments import Assessments

        return Assessments(self)

    @property
    def images(self) -> Images:
        """Saved images."""
        from medcore.journal.images import Images

        return Images(self)

    @property
    def verdicts(self) -> Verdicts:
        """What readers thought before and after the model's answer."""
        from medcore.journal.verdicts import Verdicts

        return Verdicts(self)

    @property
    def operating_points(self) -> OperatingPoints:
        """Cut-offs, each locked to one model bundle."""
        from medcore.journal.operating_points import OperatingPoints

        return OperatingPoints(self)

    @property
    def outcomes(self) -> Outcomes:
        """Outcomes that became known, of saved results."""
        from medcore.journal.outcomes import Outcomes

        return Outcomes(self)

    @property
    def site(self) -> Site:
        """What this site has settled."""
        from medcore.journal.site import Site

        return Site(self)

    @property
    def people(self) -> People:
        """Accounts, sessions and counts of attempts to sign in."""
        from medcore.journal.people import People

        return People(self)

    @property
    def drafts(self) -> Drafts:
        """Forms that are not finished."""
        from medcore.journal.drafts import Drafts

        return Drafts(self)

    def open(self) -> None:
        """Open the journal now rather than at the first use; creates it if there is none.

        Raises
        ------
        StorageError
            It cannot be used. Its kind :class:`~medcore.errors.KeysError`: because of the keys.
        """
        with self._translating():
            self._open()

    def take_recovery_key(self) -> str | None:
        """Return the recovery key if this object created the journal; only the first call does."""
        with self._lock:
            key, self._recovery_key = self._recovery_key, None
            return key

    def close(self) -> None:
        """Close the files; the next use opens them again."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
            self._opened, self._ready = None, False

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def writing(self) -> Iterator[Pen]:
        """Run one transaction; the head file follows once it is on disk. For the rooms of the journal.

        Inside another one of the same thread it is a part of that one, which is written as a whole or not at all.

        Raises
        ------
        StorageError
            Nothing was written.
        """
        outer: Pen | None = getattr(self._own, "pen", None)
        if outer is not None:
            with self._translating(), _breaking(outer):
                yield outer
            return
        with self._lock, self._translating():
            opened = self._open()
            self.check_same_file()
            from medcore.journal import chain, engine
            from medcore.journal.pen import Pen

            with engine.writing(opened.engine) as connection:
                last = chain.newest(connection, opened.keys.installation)
                check_head(self.folder, opened.keys.ring, last)
                pen = Pen(connection, opened.keys.ring, self._clock(), last, read_only=self._read_only)
                self._own.pen = pen
                try:
                    yield pen
                finally:
                    self._own.pen = None
                if pen.broken:
                    raise StorageError("A part of this could not be written. Nothing was done.")
            try:
                advance(self.folder, opened.keys.ring, pen.last)
            except OSError as error:  # what was done is on disk; the head may lag
                _log.error("journal.head could not be written: %s", error.strerror)

    @contextlib.contextmanager
    def reading(self) -> Iterator[tuple[Connection, Ring]]:
        """Run one transaction that only reads, and waits for no writer. For the rooms of the journal.

        Inside a writing one of the same thread it sees what that one wrote.
        """
        outer: Pen | None = getattr(self._own, "pen", None)
        with self._translating():
            if outer is not None:
                with _breaking(outer):
                    yield outer.connection, outer.ring
                return
            opened = self.opened()
            from medcore.journal import engine

            with engine.reading(opened.engine) as connection:
                yield connection, opened.keys.ring

    def opened(self) -> Opened:
        """Return the open parts. For the rooms of the journal."""
        opened = self._opened
        if opened is not None and self._ready:
            return opened
        with self._translating():
            return self._open()

    def now(self) -> datetime:
        """Return the time by this journal's clock."""
        return self._clock()

    def _open(self) -> Opened:
        with self._lock:
            if self._opened is None:
                from medcore.journal.opening import open_parts

                settings = self._settings or read_settings()
                self._find_place(settings)
                self._opened, recovery_key = open_parts(
                    self.folder, settings, busy_s=self._busy_s, pragmas=self._pragmas
                )
                self._recovery_key = recovery_key or self._recovery_key
                self._read_only = settings.read_only
                self._take_over_people()
                self._ready = True
            return self._opened

    def _find_place(self, settings: Settings) -> None:
        """In read-only mode, work on a copy where the folder cannot be written."""
        if not settings.read_only or self.folder.aside is not None:
            return
        from medcore.journal import downtime

        if downtime.is_unwritable(self.folder):
            self.folder = downtime.work_on_copy(self.folder)

    def _take_over_people(self) -> None:
        """Import the accounts of an earlier version, if there are any; else nothing is open."""
        if self.folder.aside is not None or not self.folder.old_people.exists():
            return
        from medcore.journal import old_people

        try:
            old_people.take_over(self)
        except BaseException:
            self.close()
            raise

    def _key(self, fingerprint: str) -> str:
        if not fingerprint:
            return ""
        return hmac.new(self._open().salt, fingerprint.encode(), hashlib.sha256).hexdigest()

    def check_same_file(self) -> None:
        """Refuse to go on with a file that was removed or replaced under us: what is written would be lost.

        Raises
        ------
        StorageError
            It was. The next use opens what is there then.
        """
        opened = self.opened()
        if not opened.is_same_file():
            self.close()
            raise StorageError("The journal's file was removed or replaced while in use. Nothing was done.")

    @contextlib.contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except MedcoreError:
            raise
        except OSError as error:
            if self.folder.aside is not None:
                from medcore.journal.downtime import REFUSED

                raise ReadOnlyError(REFUSED) from error
            hint = _READ_ONLY_HINT if error.errno in (errno.EROFS, errno.EACCES) else ""
            raise StorageError(f"The journal cannot be written ({error.strerror}). Nothing was done.{hint}") from error
        except UnicodeEncodeError as error:
            raise StorageError("The journal cannot store this text: it holds half a character.") from error
        except Exception as error:
            from sqlalchemy.exc import SQLAlchemyError

            if not isinstance(error, SQLAlchemyError):
                raise
            from medcore.journal.engine import explain

            raise explain(error) from error


@contextlib.contextmanager
def _breaking(pen: Pen) -> Iterator[None]:
    """Whatever fails in a part makes the whole fail: PostgreSQL, too, commits nothing after an error."""
    try:
        yield
    except BaseException:
        pen.broken = True
        raise


def open_journal(folder: Path) -> Journal:
    """Open the journal of a data folder and make sure that it can be used.

    Raises
    ------
    StorageError
        It cannot.
    """
    journal = Journal(folder)
    try:
        journal.events(1)
    except BaseException:
        journal.close()
        raise
    return journal

"""Every error that leaves medcore, in one tree.

::

    MedcoreError
    ├── InputError                 what the caller gave cannot be used
    │   ├── FieldError             one value of one record (names the field)
    │   │   ├── NotANumberError
    │   │   ├── OutOfRangeError
    │   │   ├── UnknownUnitError
    │   │   ├── UnknownChoiceError
    │   │   ├── MissingFieldError
    │   │   └── ConflictError      two fields contradict each other
    │   ├── EditConflictError      somebody else changed the stored thing first
    │   ├── TableError             a file of records cannot be read at all
    │   ├── OpinionFirstError      the model's answer was asked for before the reader's own opinion
    │   ├── UnreadFilmError        the model's answer was asked for before the reader's own
    │   ├── UncheckedFilmError     a film may not leave before a person has looked for burned-in words
    │   ├── AccountError           an account cannot be made or changed like that
    │   ├── NewPasswordError       a new password that must not be used
    │   └── ImageError             a film cannot be read
    │       ├── UnreadableImageError   damaged, or not a picture at all
    │       ├── UnsupportedImageError  sound, but of a kind that is not read here
    │       └── ImageSizeError         too small to read, or too large to open
    ├── UnknownNameError           no such condition, model or recipe
    ├── ArtifactError              a model bundle must not be used
    │   ├── ManifestError          its description is unreadable or wrong
    │   ├── IntegrityError         its files are not those it was released with
    │   └── SelfTestError          it does not give the answers it was released with
    ├── ModelOffError              a model gives no score here: not activated, or recalled
    ├── ExplanationError           the score stands, its explanation does not
    ├── WorkerError                a helper process failed
    │   ├── WorkerTimeoutError
    │   ├── WorkerDiedError
    │   ├── BusyError              the queue is full: try again
    │   └── MovedOnError           the asker did not wait for the answer
    ├── StorageError               the journal could not be read or written
    │   ├── KeysError              its keys are missing, damaged or not these
    │   └── ReadOnlyError          nothing is saved while the site is in maintenance
    ├── ConfigError                a setting has an impossible value
    ├── SignInError                nobody was signed in
    │   └── LockedOutError         too many wrong attempts: wait
    ├── SessionError               the actor is not signed in any more
    │   ├── SessionExpiredError    too long unused, too long open, or unknown
    │   └── SessionRevokedError    ended by the user or an administrator
    └── AccessDeniedError          the actor may not do this

Each error says in one sentence what is wrong and what to do. ``field``, ``value`` and
``expected`` carry the parts for programs. Messages may quote the offending value back to
the person who typed it; they are never written to a log.
"""

from __future__ import annotations

__all__ = [
    "AccessDeniedError",
    "AccountError",
    "ArtifactError",
    "BusyError",
    "ConfigError",
    "ConflictError",
    "EditConflictError",
    "ExplanationError",
    "FieldError",
    "ImageError",
    "ImageSizeError",
    "InputError",
    "IntegrityError",
    "KeysError",
    "LockedOutError",
    "ManifestError",
    "MedcoreError",
    "MissingFieldError",
    "ModelOffError",
    "MovedOnError",
    "NewPasswordError",
    "NotANumberError",
    "OpinionFirstError",
    "OutOfRangeError",
    "ReadOnlyError",
    "SelfTestError",
    "SessionError",
    "SessionExpiredError",
    "SessionRevokedError",
    "SignInError",
    "StorageError",
    "TableError",
    "UncheckedFilmError",
    "UnknownChoiceError",
    "UnknownNameError",
    "UnknownUnitError",
    "UnreadFilmError",
    "UnreadableImageError",
    "UnsupportedImageError",
    "WorkerDiedError",
    "WorkerError",
    "WorkerTimeoutError",
]


class MedcoreError(Exception):
    """Base of all errors medcore raises on purpose.

    Parameters
    ----------
    message : str
        One sentence a clinician can act on.
    field : str, optional
        Name of the field concerned, as in ``medcore conditions``.
    value : object, optional
        The offending value, for display to the person who gave it.
    expected : str, optional
        What would have been accepted.
    """

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        value: object = None,
        expected: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.value = value
        self.expected = expected

    @property
    def code(self) -> str:
        """Stable name of the kind of error, for programs: the class name without ``Error``."""
        return type(self).__name__.removesuffix("Error")


class InputError(MedcoreError):
    """The caller's data cannot be used as given."""


class FieldError(InputError):
    """One value of one record cannot be used."""


class NotANumberError(FieldError):
    """Text where a number is needed."""


class OutOfRangeError(FieldError):
    """A number that cannot occur in a living patient, or in this unit."""


class UnknownUnitError(FieldError):
    """A unit that the field does not know."""


class UnknownChoiceError(FieldError):
    """A code or word that is not one of the field's choices."""


class MissingFieldError(FieldError):
    """A required field is empty."""


class ConflictError(FieldError):
    """Two fields contradict each other."""


class EditConflictError(InputError):
    """Somebody else changed the stored thing since it was read; nothing was overwritten."""


class TableError(InputError):
    """A file of records cannot be read at all."""


class UnreadFilmError(InputError):
    """The model's answer on a film was asked for before the reader's own."""


class UncheckedFilmError(InputError):
    """A film may not leave before a person has looked for words that are burned into it."""


class OpinionFirstError(InputError):
    """The model's answer on a patient was asked for before the reader's own opinion."""


class AccountError(InputError):
    """An account cannot be made or changed like that: the name is taken, or it is the last administrator."""


class NewPasswordError(InputError):
    """A new password that must not be used; the message says why and never repeats it."""


class ImageError(InputError):
    """A film cannot be read; the message names the file and the reason."""


class UnreadableImageError(ImageError):
    """The file is damaged, incomplete, or no picture at all."""


class UnsupportedImageError(ImageError):
    """The file is sound but of a kind that is not read here: several frames, an unknown coding, a CT."""


class ImageSizeError(ImageError):
    """The picture is too small to read or too large to open."""


class UnknownNameError(MedcoreError):
    """No condition, model or recipe of that name."""


class ArtifactError(MedcoreError):
    """A model bundle must not be used."""


class ManifestError(ArtifactError):
    """The bundle's manifest is unreadable, incomplete or of an unknown format."""


class IntegrityError(ArtifactError):
    """A file of the bundle is not the one it was released with."""


class SelfTestError(ArtifactError):
    """The bundle does not reproduce the answers it was released with."""


class ModelOffError(MedcoreError):
    """A model gives no score here: this site has not activated it, or has recalled it."""


class ExplanationError(MedcoreError):
    """The score stands but could not be explained."""


class WorkerError(MedcoreError):
    """A helper process failed."""


class WorkerTimeoutError(WorkerError):
    """A helper process took longer than its limit and was stopped."""


class WorkerDiedError(WorkerError):
    """A helper process ended before it answered."""


class BusyError(WorkerError):
    """Too much work is waiting; nothing was started. The message says how many wait and when to try again."""


class MovedOnError(WorkerError):
    """The answer was given up because whoever asked did not wait for it; nobody needs to see this."""


class StorageError(MedcoreError):
    """The journal could not be read or written."""


class KeysError(StorageError):
    """The journal's keys are missing, damaged, or do not belong to it."""


class ReadOnlyError(StorageError):
    """The site is in read-only mode: nothing is saved until an administrator ends it."""


class ConfigError(MedcoreError):
    """A setting has an impossible value."""


class SignInError(MedcoreError):
    """Nobody was signed in; the message does not tell whether the name or the password was wrong."""


class LockedOutError(SignInError):
    """Too many wrong attempts for this name or from this address; ``value`` is the wait in seconds."""


class SessionError(MedcoreError):
    """The actor is not signed in any more."""


class SessionExpiredError(SessionError):
    """The session was too long unused, open for too long, or is not known here."""


class SessionRevokedError(SessionError):
    """The session was ended: by its user, by an administrator, or by a new password."""


class AccessDeniedError(MedcoreError):
    """The actor may not do this."""

"""Locked operating points: which cut-off was chosen for which version of a model, for what use, by whom.

They are kept in the data folder, never beside the models, and hold only for the bundle they were chosen
for: once that bundle is replaced, the old cut-off is refused with the reason until somebody chooses again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from medcore import __version__
from medcore.access import Action, Resource, describe_actor
from medcore.errors import ArtifactError, InputError, StorageError, UnknownNameError
from medcore.journal import Event
from medcore.services.house import House

__all__ = ["USES", "LockedCutOff", "find_locked", "list_locked", "lock_cut_off", "unlock"]

USES = ("find cases", "rule out")
"""What a cut-off may be for."""

_FILE_NAME = "cut_offs.json"
_FORMAT = 1
_MAX_REASON = 500
_MAX_FILE_BYTES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedCutOff:
    """One operating point, and whether it still holds.

    Attributes
    ----------
    condition, model_id, sha256 : str
        The clinical question, the model, and the hash of the bundle the cut-off was chosen for.
    cut_off : float
        On the calibrated probability; a patient is called at or above. Strictly between 0 and 1.
    use : str
        One of :data:`USES`.
    harm_ratio : float
        False alarms accepted for one case found, above 0.
    prevalence : float
        Share with the outcome it was chosen at, strictly between 0 and 1.
    reason : str
        In the words of who locked it; may be empty.
    at_utc : str
        When, ISO 8601 in UTC.
    actor : str
        By whom.
    refusal : str
        Why it does not hold now, in words for the reader; empty while it holds.
    """

    condition: str
    model_id: str
    sha256: str
    cut_off: float
    use: str
    harm_ratio: float
    prevalence: float
    reason: str
    at_utc: str
    actor: str
    refusal: str = ""

    @property
    def holds(self) -> bool:
        """Whether the model is still the one the cut-off was chosen for."""
        return not self.refusal


_ADAPTER: TypeAdapter[LockedCutOff] = TypeAdapter(LockedCutOff)


def lock_cut_off(
    house: House,
    *,
    condition_id: str,
    model_id: str,
    cut_off: float,
    use: str,
    harm_ratio: float,
    prevalence: float,
    reason: str = "",
) -> LockedCutOff:
    """Lock an operating point to the bundle the model has now; it takes the place of an earlier one.

    Parameters
    ----------
    house : House
        Shelf of models, journal, data folder and actor.
    condition_id, model_id : str
        The clinical question and one of its models.
    cut_off : float
        On the calibrated probability, strictly between 0 and 1.
    use : str
        ``"find cases"`` or ``"rule out"``.
    harm_ratio : float
        False alarms accepted for one case found, above 0.
    prevalence : float
        Share with the outcome it was chosen at, strictly between 0 and 1.
    reason : str, optional
        Why, at most 500 characters.

    Returns
    -------
    LockedCutOff
        As it is stored now.

    Raises
    ------
    InputError
        A figure that cannot be, an unknown use, or a model of another condition.
    UnknownNameError, ArtifactError
        There is no such model, or it is refused.
    StorageError
        It could not be journalled or stored; then nothing is locked.
    """
    house.allow(Action.SAVE, Resource.OPERATING_POINT)
    facts = house.catalog.find(model_id)
    if facts.condition != condition_id:
        raise InputError(f"{model_id} does not answer {condition_id}", field="model", value=model_id)
    locked = LockedCutOff(
        condition=condition_id,
        model_id=model_id,
        sha256=facts.sha256,
        cut_off=_check_fraction("cut-off", cut_off),
        use=_check_use(use),
        harm_ratio=_check_ratio(harm_ratio),
        prevalence=_check_fraction("prevalence", prevalence),
        reason=_check_reason(reason),
        at_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        actor=house.actor.name,
    )
    with _changing(house) as stored:
        _record(house, "lock_cut_off", "locked", locked)
        stored[model_id] = locked
    return locked


def unlock(house: House, model_id: str) -> bool:
    """Forget the locked cut-off of a model; return whether there was one. Works for a model that is gone, too.

    Raises
    ------
    StorageError
        It could not be journalled or stored; then it stays locked.
    """
    house.allow(Action.SAVE, Resource.OPERATING_POINT)
    with _changing(house) as stored:
        found = stored.get(model_id)
        if found is None:
            return False
        _record(house, "unlock_cut_off", "unlocked", found)
        del stored[model_id]
    return True


def find_locked(house: House, model_id: str) -> LockedCutOff | None:
    """Return the locked cut-off of a model, with the reason where it no longer holds; None if there is none.

    Raises
    ------
    StorageError
        The file of cut-offs cannot be read.
    """
    found = _read_file(_path_of(house)).get(model_id)
    return None if found is None else replace(found, refusal=_find_refusal(house, found))


def list_locked(house: House, condition_id: str) -> tuple[LockedCutOff, ...]:
    """Return all locked cut-offs of a condition by model id; errors as :func:`find_locked`."""
    stored = _read_file(_path_of(house))
    chosen = [item for _, item in sorted(stored.items()) if item.condition == condition_id]
    return tuple(replace(item, refusal=_find_refusal(house, item)) for item in chosen)


def _find_refusal(house: House, locked: LockedCutOff) -> str:
    """Say why the cut-off does not hold; empty where the model is still the one it was chosen for."""
    version = f"locked for version {locked.sha256[:6]} of the model"
    try:
        present = house.catalog.find(locked.model_id).sha256
    except UnknownNameError:
        return f"{version}, which is no longer installed: choose a model again"
    except ArtifactError:
        return f"{version}, which cannot be used at present: it fails its checks"
    return "" if present == locked.sha256 else f"{version}, which has been replaced: choose it again"


def _record(house: House, action: str, outcome: str, locked: LockedCutOff) -> None:
    house.journal.record(
        Event(
            **describe_actor(house.actor),
            action=action,
            outcome=outcome,
            condition=locked.condition,
            model_id=locked.model_id,
            sha256=locked.sha256,
            n_records=0,
            app_version=__version__,
        )
    )


def _path_of(house: House) -> Path:
    return Path(house.settings.data_dir) / _FILE_NAME


@contextlib.contextmanager
def _changing(house: House) -> Iterator[dict[str, LockedCutOff]]:
    """Hand out the stored cut-offs and write them back whole; no other thread or program comes between."""
    path = _path_of(house)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise _cannot("written", path) from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        stored = _read_file(path)
        before = dict(stored)
        yield stored
        if stored != before:
            _write_file(path, stored)
    finally:
        os.close(folder)


def _read_file(path: Path) -> dict[str, LockedCutOff]:
    try:
        with path.open("rb") as file:
            raw = json.loads(file.read(_MAX_FILE_BYTES + 1))
        if raw["format"] != _FORMAT:
            raise StorageError(f"{path.name} has format {raw['format']!r}, this version of medcore reads {_FORMAT}")
        return {str(name): _ADAPTER.validate_python(item) for name, item in dict(raw["locked"]).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError, ValidationError) as error:
        raise _cannot("read", path) from error


def _write_file(path: Path, stored: Mapping[str, LockedCutOff]) -> None:
    content: dict[str, Any] = {"format": _FORMAT, "locked": {name: _to_json(item) for name, item in stored.items()}}
    name = ""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{_FILE_NAME}.", dir=path.parent)  # mode 0600
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1, sort_keys=True, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise _cannot("written", path) from error


def _to_json(item: LockedCutOff) -> dict[str, Any]:
    return {key: value for key, value in asdict(item).items() if key != "refusal"}


def _cannot(done: str, path: Path) -> StorageError:
    return StorageError(f"the locked cut-offs cannot be {done}: see to the file {path.name} in the data folder")


def _check_fraction(name: str, value: float) -> float:
    if not 0.0 < value < 1.0:
        raise InputError(
            f"the {name} is {value:g}, expected a number between 0 and 1, both excluded",
            field=name,
            value=value,
            expected="between 0 and 1",
        )
    return float(value)


def _check_ratio(value: float) -> float:
    if not (math.isfinite(value) and value > 0.0):
        raise InputError(f"the harm ratio is {value:g}, expected a number above 0", field="harm ratio", value=value)
    return float(value)


def _check_use(use: str) -> str:
    words = use.replace("_", " ").strip().lower()
    if words not in USES:
        raise InputError(f"the use is {use!r}, expected one of: {', '.join(USES)}", field="use", value=use)
    return words


def _check_reason(reason: str) -> str:
    text = " ".join(reason.split())
    if len(text) > _MAX_REASON:
        raise InputError(
            f"the reason has {len(text)} characters, at most {_MAX_REASON} are kept", field="reason", value=len(text)
        )
    return text

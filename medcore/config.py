"""Settings: one table, read once from the environment into a frozen ``Settings``.

No other module reads the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from medcore.errors import ConfigError

__all__ = ["SETTINGS", "Setting", "Settings", "read_settings"]

_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One row of the settings table: environment variable, default and what it is for."""

    name: str
    env: str
    default: str
    help: str


SETTINGS: tuple[Setting, ...] = (
    Setting(
        name="models_dir",
        env="MEDCORE_MODELS",
        default=str(_ROOT / "assets" / "models"),
        help="folder of model bundles",
    ),
    Setting(
        name="extra_models_dir",
        env="MEDCORE_EXTRA_MODELS",
        default="",
        help="folder of further bundles, for the compare page only; none of them is ever used on a patient",
    ),
    Setting(
        name="data_dir",
        env="MEDCORE_DATA",
        default=str(Path.home() / ".local" / "share" / "medcore"),
        help="folder for the journal; created on first use, readable by its owner only",
    ),
    Setting(
        name="training_data_dir",
        env="MEDCORE_TRAINING_DATA",
        default=str(_ROOT.parent / "shared" / "data"),
        help="folder of the public data sets, for training only",
    ),
    Setting(
        name="model_timeout_s",
        env="MEDCORE_MODEL_TIMEOUT_S",
        default="60",
        help="longest the model process may work on one answer, seconds; its start and the queue come on top",
    ),
    Setting(
        name="threads",
        env="MEDCORE_THREADS",
        default="0",
        help="threads of the model process; 0 = as many as the machine has cores",
    ),
    Setting(
        name="prevalence",
        env="MEDCORE_PREVALENCE",
        default="",
        help="how many of this site's films or patients have the finding: `pneumonia=0.3`, several with commas",
    ),
    Setting(
        name="triage_order",
        env="MEDCORE_TRIAGE_ORDER",
        default="off",
        help="`on` lets readers list unread films by the model's score: the order only, never a number",
    ),
    Setting(
        name="film_memory_mb",
        env="MEDCORE_FILM_MEMORY_MB",
        default="2000",
        help="most memory that the open films of all readers together may take, megabytes",
    ),
    Setting(
        name="journal_url",
        env="MEDCORE_JOURNAL_URL",
        default="",
        help="PostgreSQL database for the journal, `postgresql://user@host/name`; empty = an encrypted file",
    ),
    Setting(
        name="master_key",
        env="MEDCORE_MASTER_KEY",
        default="",
        help="master key of the journal, 64 hexadecimal digits; empty = the system's keyring, else a file",
    ),
    Setting(
        name="key_store",
        env="MEDCORE_KEY_STORE",
        default="auto",
        help="where a new master key is kept: `auto` = the system's keyring if there is one, else `file`",
    ),
    Setting(
        name="demo",
        env="MEDCORE_DEMO",
        default="off",
        help="`on` opens a demo without sign-in: made-up patients only, in a data folder of its own",
    ),
    Setting(
        name="read_only",
        env="MEDCORE_READ_ONLY",
        default="off",
        help="`on` saves nothing while the site is in maintenance; everything can still be read",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Values of the settings table, parsed."""

    models_dir: Path
    data_dir: Path
    training_data_dir: Path
    model_timeout_s: float
    threads: int
    prevalence: Mapping[str, float] = field(default_factory=dict)
    triage_order: bool = False
    film_memory_mb: int = 2000
    journal_url: str = field(default="", repr=False)
    master_key: str = field(default="", repr=False)
    key_store: str = "auto"
    demo: bool = False
    read_only: bool = False
    extra_models_dir: Path | None = None


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from ``environ`` (default: the process environment).

    Raises
    ------
    ConfigError
        A number is not a number or not positive.
    """
    environ = os.environ if environ is None else environ
    raw = {setting.name: environ.get(setting.env) or setting.default for setting in SETTINGS}
    return Settings(
        models_dir=Path(raw["models_dir"]).expanduser(),
        extra_models_dir=Path(raw["extra_models_dir"]).expanduser() if raw["extra_models_dir"] else None,
        data_dir=Path(raw["data_dir"]).expanduser(),
        training_data_dir=Path(raw["training_data_dir"]).expanduser(),
        model_timeout_s=_parse_number("model_timeout_s", raw["model_timeout_s"], lowest=1.0),
        threads=int(_parse_number("threads", raw["threads"], lowest=0.0)),
        prevalence=_parse_prevalence(raw["prevalence"]),
        triage_order=_parse_switch("triage_order", raw["triage_order"]),
        demo=_parse_switch("demo", raw["demo"]),
        read_only=_parse_switch("read_only", raw["read_only"]),
        film_memory_mb=int(_parse_number("film_memory_mb", raw["film_memory_mb"], lowest=1.0)),
        journal_url=raw["journal_url"],
        master_key=raw["master_key"],
        key_store=_parse_choice("key_store", raw["key_store"], ("auto", "file")),
    )


def _parse_number(name: str, text: str, *, lowest: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not value >= lowest:
        raise ConfigError(
            f"setting {name} is {text!r}, expected a number of at least {lowest:g}",
            field=name,
            value=text,
        )
    return value


def _parse_prevalence(text: str) -> dict[str, float]:
    """Read ``"pneumonia=0.3, breast_cancer=0.1"``."""
    table: dict[str, float] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = (part.strip() for part in entry.partition("="))
        try:
            value = float(number)
        except ValueError:
            value = float("nan")
        if not name or not 0.0 < value < 1.0:
            raise ConfigError(
                f"setting prevalence has the entry {entry!r}, expected a name and a fraction like pneumonia=0.3",
                field="prevalence",
                value=entry,
            )
        table[name] = value
    return table


def _parse_switch(name: str, text: str) -> bool:
    if text.strip().lower() not in ("on", "off"):
        raise ConfigError(f"setting {name} is {text!r}, expected on or off", field=name, value=text)
    return text.strip().lower() == "on"


def _parse_choice(name: str, text: str, choices: tuple[str, ...]) -> str:
    if text not in choices:
        expected = " or ".join(choices)
        raise ConfigError(f"setting {name} is {text!r}, expected {expected}", field=name, value=text)
    return text

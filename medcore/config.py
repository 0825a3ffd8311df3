"""Settings: one table, read once from the environment into a frozen ``Settings``.

No other module reads the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
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
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Values of the settings table, parsed."""

    models_dir: Path
    data_dir: Path
    training_data_dir: Path
    model_timeout_s: float
    threads: int


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
        data_dir=Path(raw["data_dir"]).expanduser(),
        training_data_dir=Path(raw["training_data_dir"]).expanduser(),
        model_timeout_s=_parse_number("model_timeout_s", raw["model_timeout_s"], lowest=1.0),
        threads=int(_parse_number("threads", raw["threads"], lowest=0.0)),
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

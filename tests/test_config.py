"""The settings table: defaults, and what an impossible value says."""

import pytest

from medcore.config import read_settings
from medcore.errors import ConfigError


def test_defaults_know_no_prevalence_and_no_triage():
    settings = read_settings({})
    assert dict(settings.prevalence) == {}
    assert settings.triage_order is False
    assert settings.film_memory_mb == 2000


def test_prevalence_is_a_table():
    settings = read_settings({"MEDCORE_PREVALENCE": "pneumonia = 0.3, breast_cancer=0.05,"})
    assert dict(settings.prevalence) == {"pneumonia": 0.3, "breast_cancer": 0.05}


@pytest.mark.parametrize("text", ["pneumonia", "pneumonia=", "pneumonia=30", "pneumonia=0", "=0.3", "pneumonia=nan"])
def test_an_impossible_prevalence_is_refused(text):
    with pytest.raises(ConfigError, match="expected a name and a fraction"):
        read_settings({"MEDCORE_PREVALENCE": text})


@pytest.mark.parametrize(
    ("name", "text"),
    [("MEDCORE_TRIAGE_ORDER", "maybe"), ("MEDCORE_FILM_MEMORY_MB", "0"), ("MEDCORE_FILM_MEMORY_MB", "much")],
)
def test_an_impossible_value_is_refused(name, text):
    with pytest.raises(ConfigError, match="expected"):
        read_settings({name: text})

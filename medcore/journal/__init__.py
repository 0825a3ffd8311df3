"""What was done, by whom and with which model: a signed record, and the encrypted cases that were saved."""

from medcore.journal.event import Event
from medcore.journal.journal import Journal, open_journal
from medcore.journal.stored import (
    Draft,
    NewAssessment,
    NewVerdict,
    OperatingPoint,
    Patient,
    SavedAssessment,
    SavedImage,
    SavedOutcome,
    SavedVerdict,
    SiteSetting,
    Who,
)

__all__ = [
    "Draft",
    "Event",
    "Journal",
    "NewAssessment",
    "NewVerdict",
    "OperatingPoint",
    "Patient",
    "SavedAssessment",
    "SavedImage",
    "SavedOutcome",
    "SavedVerdict",
    "SiteSetting",
    "Who",
    "open_journal",
]

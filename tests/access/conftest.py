"""The access room over a real store and a real journal, with a clock that tests turn."""

import pytest
from access_site import CHEAP, Site, TurnedClock

from medcore.access import open_access
from medcore.journal import open_journal


@pytest.fixture
def site(tmp_path):
    clock, journal = TurnedClock(), open_journal(tmp_path)
    access = open_access(tmp_path, journal, clock=clock, cost=CHEAP)
    yield Site(access=access, journal=journal, clock=clock, folder=tmp_path)
    access.close()
    journal.close()

"""Accounts in a backup: they come back as they were, and nobody is signed in."""

import pytest

from medcore.access import Role
from medcore.config import read_settings
from medcore.errors import SessionExpiredError
from medcore.journal.backup import back_up, restore


def test_a_restore_brings_the_accounts_back_and_signs_everybody_out(site, tmp_path):
    site.add("ada", [Role.CLINICIAN])
    token = site.enter("ada")
    back_up(site.journal, tmp_path / "copy", actor="a")
    site.add("bob", [Role.ANALYST])
    site.journal.close()
    restore(tmp_path / "copy", site.folder, settings=read_settings(), actor="a")
    assert [item.name for item in site.accounts.list_accounts(site.administrator)] == ["ada"]
    with pytest.raises(SessionExpiredError):
        site.sessions.check(token)
    assert site.sessions.check(site.enter("ada")).roles == {Role.CLINICIAN}
    assert site.journal.audit.verify().ok

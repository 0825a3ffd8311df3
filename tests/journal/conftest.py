"""What the tests of the journal share. No test touches the system's keyring."""

import pytest

from medcore.journal import Journal, Who

BY = Who(actor="dr.test", role="clinician", session="7")


@pytest.fixture(autouse=True)
def _keys_in_files(monkeypatch):
    monkeypatch.setenv("MEDCORE_KEY_STORE", "file")
    monkeypatch.delenv("MEDCORE_MASTER_KEY", raising=False)
    monkeypatch.delenv("MEDCORE_JOURNAL_URL", raising=False)


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "new" / "folder", busy_s=0.2) as journal:
        yield journal

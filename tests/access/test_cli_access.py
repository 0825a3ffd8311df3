"""``medcore accounts`` as an administrator of the machine uses it."""

import json
import re
import sys

import pytest
from hostile_names import SEEN

from medcore import cli


@pytest.fixture
def accounts(tmp_path, monkeypatch, capsys):
    """Run one command; returns exit code, standard output and standard error."""
    monkeypatch.setenv("MEDCORE_DATA", str(tmp_path / "data"))

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["medcore", "accounts", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return run


def password_in(out):
    return re.search(r"One-time password:  (\S+)\n", out).group(1)


def test_from_the_first_administrator_to_signing_out(accounts):
    code, out, _ = accounts("first", "--name", "chief")
    assert code == 0
    assert len(password_in(out)) == 23
    assert accounts("first")[::2] == (
        1,
        "medcore: There are accounts already. A lost password: medcore accounts reset NAME.\n",
    )
    assert accounts("add", "ada", "clinician", "Analyst")[0] == 0
    listed = json.loads(accounts("list", "--json")[1])
    assert [(item["name"], item["roles"]) for item in listed] == [
        ("ada", ["analyst", "clinician"]),
        ("chief", ["administrator"]),
    ]
    assert "hash" not in json.dumps(listed)
    assert accounts("roles", "ada", "auditor")[1] == "ada: auditor\n"
    assert accounts("disable", "ada")[0] == 0
    assert re.search(r"^ada  local  auditor  off one-time$", accounts("list")[1], re.MULTILINE)
    assert accounts("enable", "ada")[0] == 0
    assert password_in(accounts("reset", "chief")[1]) != password_in(out)
    assert accounts("sessions", "--json")[:2] == (0, "[]\n")
    assert accounts("sign-out", "ada")[1] == "ada: 0 sessions ended\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["add", "ada", "emperor"], "no such role"),
        (["add", "ada\x1b[31m", "auditor"], "cannot be seen"),
        (["add", "chief", "auditor"], "already"),
        (["reset", "nobody there"], "no account of that name"),
        (["disable", "chief"], "last administrator"),
        (["roles", "chief", "auditor"], "last administrator"),
    ],
)
def test_what_is_refused_is_one_sentence(accounts, arguments, words):
    accounts("first", "--name", "chief")
    code, out, err = accounts(*arguments)
    assert (code, out) == (1, "")
    assert err.startswith("medcore: ")
    assert words in err
    assert err.count("\n") == 1


def test_hostile_names_are_printed_as_they_are(accounts):
    names = [name for name in SEEN if not name.startswith("-")]
    for name in names[:3]:
        assert accounts("add", name, "auditor")[0] == 0
    assert {item["name"] for item in json.loads(accounts("list", "--json")[1])} == set(names[:3])


def test_who_did_it_stands_in_the_journal(accounts, tmp_path):
    from medcore.journal import open_journal

    accounts("first", "--name", "chief")
    accounts("add", "ada", "auditor")
    journal = open_journal(tmp_path / "data")
    events = [(item.actor.split(":")[0], item.action) for item in journal.events(2)]
    journal.close()
    assert events == [("local", "account-create"), ("system", "account-first")]

"""Who runs a command here."""

import getpass

from medcore.access import Role, make_local_actor


def test_the_user_of_the_machine_has_every_role(monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "ada")
    actor = make_local_actor()
    assert (actor.name, actor.roles, actor.role) == ("local:ada", frozenset(Role), "all")


def test_a_user_without_a_name_has_a_number(monkeypatch):
    def nobody():
        raise KeyError

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert make_local_actor().name.startswith("local:uid-")

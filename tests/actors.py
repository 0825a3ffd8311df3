"""Who acts in tests: somebody with every role, and one actor per role."""

from medcore.access import Actor, Role

TESTER = Actor(name="local:test", roles=frozenset(Role))


def act_as(*roles):
    """Return an actor with these roles only."""
    return Actor(name="account:test", roles=frozenset(Role(role) for role in roles), account_id="a1", session_id="s1")

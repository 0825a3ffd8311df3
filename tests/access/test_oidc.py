"""From claims to an identity: only the site's rules give a role, and everything else is denied."""

import re
import tomllib
from pathlib import Path

import pytest
from hostile_names import UNSEEN
from hypothesis import given
from hypothesis import strategies as st

from medcore.access import Role
from medcore.access.oidc import map_claims, read_rules
from medcore.errors import AccessDeniedError, ConfigError, SessionError, SessionExpiredError

NOW_S = 1_800_000_000.0
ISSUER = "https://id.hospital.example/realms/main"
TABLE = {
    "issuer": ISSUER,
    "rules": [
        {"claim": "groups", "value": "ward", "roles": ["clinician"]},
        {"claim": "groups", "value": "xray", "roles": ["radiologist", "clinician"]},
        {"claim": "realm_access.roles", "value": "audit", "roles": ["auditor"]},
        {"claim": "https://site.example/role", "value": "admin", "roles": ["administrator"]},
    ],
}
CLAIMS = {
    "is_logged_in": True,
    "iss": ISSUER,
    "sub": "f3a1",
    "iat": NOW_S - 60,
    "preferred_username": "grace",
    "groups": ["staff", "ward"],
}
RULES = read_rules(TABLE)


def ask(**changes):
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not ...}
    return map_claims(claims, RULES, now_s=NOW_S)


def test_claims_become_an_identity():
    found = ask()
    assert (found.issuer, found.subject, found.name) == (ISSUER, "f3a1", "grace")
    assert found.roles == {Role.CLINICIAN}
    assert found.confirmed_s == NOW_S - 60


@pytest.mark.parametrize(
    ("changes", "roles"),
    [
        ({"groups": "ward"}, {Role.CLINICIAN}),
        ({"groups": ["xray"]}, {Role.RADIOLOGIST, Role.CLINICIAN}),
        ({"realm_access": {"roles": ["audit"]}}, {Role.CLINICIAN, Role.AUDITOR}),
        ({"groups": ..., "realm_access": {"roles": ("audit",)}}, {Role.AUDITOR}),
        ({"groups": ..., "https://site.example/role": "admin"}, {Role.ADMINISTRATOR}),
    ],
)
def test_matching_rules_count_together(changes, roles):
    assert ask(**changes).roles == roles


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"is_logged_in": False}, "Sign in first"),
        ({"is_logged_in": ...}, "Sign in first"),
        ({"is_logged_in": "true"}, "Sign in first"),
        ({"is_logged_in": 1}, "Sign in first"),
        ({"iss": "https://id.hospital.example/realms/other"}, "does not count here"),
        ({"iss": ISSUER + "/"}, "does not count here"),
        ({"iss": ...}, "does not count here"),
        ({"sub": ...}, "who you are"),
        ({"sub": ""}, "who you are"),
        ({"sub": 7}, "who you are"),
        ({"groups": ...}, "no role here"),
        ({"groups": []}, "no role here"),
        ({"groups": ["Ward", "ward ", "wards", "xward"]}, "no role here"),
        ({"groups": {"ward": True}}, "no role here"),
        ({"groups": [["ward"]]}, "no role here"),
        ({"groups": "ward,xray"}, "no role here"),
        ({"groups": ..., "roles": ["clinician"], "role": "administrator"}, "no role here"),
        ({"preferred_username": ...}, "no user name"),
        ({"preferred_username": 7}, "no user name"),
    ],
)
def test_everything_else_is_denied(changes, words):
    with pytest.raises(AccessDeniedError, match=words):
        ask(**changes)


@pytest.mark.parametrize("name", UNSEEN, ids=lambda name: ascii(name)[:30])
def test_a_name_that_cannot_be_told_apart_is_denied(name):
    with pytest.raises(AccessDeniedError, match="no user name"):
        ask(preferred_username=name)


@pytest.mark.parametrize(
    "changes",
    [
        {"iat": NOW_S - 12 * 3600 - 1},
        {"iat": NOW_S + 301},
        {"iat": ...},
        {"iat": "1800000000"},
        {"iat": True},
        {"iat": float("nan")},
        {"auth_time": NOW_S - 12 * 3600 - 1},
        {"auth_time": None},
    ],
)
def test_an_old_or_undated_word_counts_for_nothing(changes):
    with pytest.raises(SessionExpiredError, match="Sign in again"):
        ask(**changes)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(claims=st.dictionaries(st.sampled_from([*CLAIMS, "realm_access", "auth_time"]) | st.text(max_size=8), JSON))
def test_whatever_the_claims_nobody_gets_a_role_by_accident(claims):
    try:
        found = map_claims({**CLAIMS, "groups": [], **claims}, RULES, now_s=NOW_S)
    except (AccessDeniedError, SessionError):
        return
    raise AssertionError(found)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"issuer": ""}, "needs issuer"),
        ({"issuer": 7}, "needs issuer"),
        ({"rules": []}, "at least one rule"),
        ({"rules": "ward"}, "at least one rule"),
        ({"rules": ["ward"]}, "a rule is a table"),
        ({"rules": [{"claim": "groups", "value": "ward", "roles": ["emperor"]}]}, "must be among clinician"),
        ({"rules": [{"claim": "groups", "value": "ward", "roles": "clinician"}]}, "must be among clinician"),
        ({"rules": [{"claim": "groups", "value": "ward", "roles": []}]}, "must be among clinician"),
        ({"rules": [{"claim": "groups", "roles": ["clinician"]}]}, "needs value"),
        ({"rules": [{"value": "ward", "roles": ["clinician"]}]}, "needs claim"),
        ({"name_claim": ""}, "needs name_claim"),
        ({"oldest_hours": 0}, "oldest_hours"),
        ({"oldest_hours": 48}, "oldest_hours"),
        ({"oldest_hours": True}, "oldest_hours"),
        ({"isuer": ISSUER}, "means nothing: isuer"),
    ],
)
def test_rules_that_cannot_be_meant_are_refused(changes, words):
    with pytest.raises(ConfigError, match=words):
        read_rules({**TABLE, **changes})


def test_the_template_in_the_documentation_works():
    text = (Path(__file__).resolve().parents[2] / "docs" / "access.md").read_text(encoding="utf-8")
    template = tomllib.loads(re.search(r"```toml\n(.*?)```", text, re.DOTALL).group(1))
    assert {"redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url"} <= set(
        template["auth"]
    )
    rules = read_rules(template["medcore_oidc"])
    claims = {**CLAIMS, "iss": rules.issuer, "groups": [], "realm_access": {"roles": ["medcore-ward"]}}
    assert map_claims(claims, rules, now_s=NOW_S).roles == {Role.CLINICIAN}

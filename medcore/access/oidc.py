"""From the claims of an identity provider (``st.user`` after ``st.login``) to an identity with roles.

Pure: takes plain mappings. Roles come from rules "this claim has this value -> these roles"; nothing
else counts, and somebody without a matching rule is denied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medcore.access.names import check_user_name
from medcore.access.roles import Role
from medcore.errors import AccessDeniedError, AccountError, ConfigError, SessionExpiredError

__all__ = ["Identity", "OidcRules", "RoleRule", "map_claims", "read_rules"]

_SLACK_S = 300.0
"""How far the provider's clock may be ahead of ours, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRule:
    """Who has ``value`` in the claim ``claim`` (dots lead into nested claims) has ``roles``."""

    claim: str
    value: str
    roles: frozenset[Role]


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcRules:
    """The site's rules.

    Parameters
    ----------
    issuer : str
        The only provider whose word counts: the claim ``iss``, exactly.
    rules : tuple of RoleRule
        All that match count together.
    name_claim : str, optional
        Claim with the user name to show and to write to the journal.
    oldest_s : float, optional
        How old a sign-in at the provider may be, seconds. Streamlit's own cookie lasts 30 days.
    """

    issuer: str
    rules: tuple[RoleRule, ...]
    name_claim: str = "preferred_username"
    oldest_s: float = 12 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Somebody the provider vouches for. ``confirmed_s``: when it did (``iat``), seconds since 1970 (UTC)."""

    issuer: str
    subject: str
    name: str
    roles: frozenset[Role]
    confirmed_s: float


def read_rules(table: Mapping[str, Any]) -> OidcRules:
    """Read the rules from the table ``[medcore_oidc]`` of ``secrets.toml`` (docs/access.md).

    Raises
    ------
    ConfigError
        Something is missing, is of the wrong kind, or names no role of ours.

    Examples
    --------
    >>> read_rules(
    ...     {"issuer": "https://id.example", "rules": [{"claim": "groups", "value": "ward", "roles": ["clinician"]}]}
    ... ).rules[0].value
    'ward'
    """
    known = {"issuer", "rules", "name_claim", "oldest_hours"}
    unknown = sorted(set(table) - known)
    if unknown:
        raise ConfigError(f"medcore_oidc has an entry that means nothing: {unknown[0]}", field=unknown[0])
    entries = table.get("rules")
    if not isinstance(entries, Sequence) or isinstance(entries, str) or not entries:
        raise ConfigError("medcore_oidc needs at least one rule: nobody could enter", field="rules")
    hours = table.get("oldest_hours", 12)
    if isinstance(hours, bool) or not isinstance(hours, int | float) or not 0 < hours <= 24:
        raise ConfigError(
            "medcore_oidc: oldest_hours must be above 0 and at most 24", field="oldest_hours", value=hours
        )
    return OidcRules(
        issuer=_read_text(table, "issuer"),
        rules=tuple(_read_rule(entry) for entry in entries),
        name_claim=_read_text({"name_claim": "preferred_username", **table}, "name_claim"),
        oldest_s=hours * 3600.0,
    )


def map_claims(claims: Mapping[str, Any], rules: OidcRules, *, now_s: float) -> Identity:
    """Return who the claims are about, and with which roles.

    Parameters
    ----------
    claims : mapping
        ``st.user.to_dict()``: ``is_logged_in`` and the claims of the ID token.
    rules : OidcRules
        The site's.
    now_s : float
        Seconds since 1970 (UTC).

    Raises
    ------
    AccessDeniedError
        Not signed in, another provider, no usable name or subject, or no rule that matches.
    SessionExpiredError
        The sign-in at the provider is too old: ``st.logout()``, then sign in again.
    """
    if claims.get("is_logged_in") is not True:
        raise AccessDeniedError("Nobody is signed in. Sign in first.")
    if claims.get("iss") != rules.issuer:
        raise AccessDeniedError("You are signed in at an identity provider that does not count here.")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise AccessDeniedError("Your identity provider did not say who you are.")
    confirmed_s = _read_time(claims, "iat")
    entered_s = _read_time(claims, "auth_time") if "auth_time" in claims else confirmed_s
    if not (now_s - rules.oldest_s <= min(confirmed_s, entered_s) and confirmed_s <= now_s + _SLACK_S):
        raise SessionExpiredError("Your sign-in is too old. Sign in again.")
    roles = frozenset(role for rule in rules.rules if rule.value in _values(claims, rule.claim) for role in rule.roles)
    if not roles:
        raise AccessDeniedError("You are signed in, but have no role here. Ask an administrator.")
    return Identity(
        issuer=rules.issuer, subject=subject, name=_read_name(claims, rules), roles=roles, confirmed_s=confirmed_s
    )


def _read_name(claims: Mapping[str, Any], rules: OidcRules) -> str:
    try:
        return check_user_name(next(_values(claims, rules.name_claim), ""))
    except AccountError as error:
        raise AccessDeniedError("Your identity provider gave no user name that can be used here.") from error


def _read_time(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else float("-inf")


def _values(claims: Mapping[str, Any], path: str) -> Iterator[str]:
    """Yield the texts of one claim, which may be one text or a list; anything else counts for nothing."""
    found: Any = claims
    if path in claims:  # names of claims may hold dots themselves: "https://site.example/roles"
        found = claims[path]
    else:
        for part in path.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    items = found if isinstance(found, list | tuple) else [found]
    yield from (item for item in items if isinstance(item, str))


def _read_text(table: Mapping[str, Any], name: str) -> str:
    value = table.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"medcore_oidc needs {name}, a text", field=name)
    return value


def _read_rule(entry: Any) -> RoleRule:
    if not isinstance(entry, Mapping):
        raise ConfigError("medcore_oidc: a rule is a table of claim, value and roles", field="rules")
    words = entry.get("roles")
    if not isinstance(words, Sequence) or isinstance(words, str) or not words or not set(words) <= set(Role):
        raise ConfigError(
            f"medcore_oidc: the roles of a rule must be among {', '.join(Role)}", field="roles", value=words
        )
    return RoleRule(
        claim=_read_text(entry, "claim"),
        value=_read_text(entry, "value"),
        roles=frozenset(Role(word) for word in words),
    )

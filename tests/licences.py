"""Which packages medcore runs on, under which licences: ``python tests/licences.py > docs/licences.md``.

Follows the requirements of ``pyproject.toml`` through the metadata of what is installed; test tools are left out.
"""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("postgres",)
PERMITTED = re.compile(
    r"apache|\bmit\b|bsd|isc|\bpsf|python software foundation|mpl|mozilla|hpnd|unlicense|public domain|zlib|cc0|\blgpl",
    re.IGNORECASE,
)
FORBIDDEN = re.compile(
    r"(?<!l)(?<!lesser )\ba?gpl|affero|(?<!lesser )general public license|sspl|server side public|busl|business source"
    r"|commons clause|non-?commercial|\bnc\b|proprietary|all rights reserved|elastic license",
    re.IGNORECASE,
)
KNOWN = {  # metadata without a licence; read in the package's own LICENSE file
    "namex": "Apache-2.0",
    "skops": "MIT",
    "sqlcipher3": "Zlib",
}
HEAD = """# Licences

medcore itself is under the Apache License 2.0 (`LICENSE`). It runs on the packages below; test tools are not listed.
Written by `python tests/licences.py > docs/licences.md` from the metadata of what is installed;
`tests/test_licences.py` fails if a package has a licence that forbids the use, or one that is not known.
Packages with LGPL or MPL licences are used unchanged, as separate files.

A bill of materials (CycloneDX, JSON) with versions is made by the tool cyclonedx-bom, kept in an
environment of its own:

```
python3 -m venv /tmp/sbom && /tmp/sbom/bin/pip install cyclonedx-bom==7.5.0
/tmp/sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --no-validate --short-PURLs --output-reproducible \\
    --output-format JSON --output-file sbom.cdx.json .venv/bin/python
```

It lists everything in `.venv`; make that from `pip install -c constraints.txt .` alone for one without test tools.

| package | licence |
|---|---|
"""


def list_packages() -> dict[str, Distribution]:
    """Return what medcore requires, directly or through others, by canonical name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    waiting = [Requirement(text) for text in project["dependencies"]]
    waiting += [Requirement(text) for extra in EXTRAS for text in project["optional-dependencies"][extra]]
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    while waiting:
        wanted = waiting.pop()
        extras = sorted(wanted.extras) or [""]
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        name = canonicalize_name(wanted.name)
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue  # of an extra that is not installed here
        found[name] = package
        for extra in {"", *extras} - {extra for known, extra in seen if known == name}:
            seen.add((name, extra))
            waiting += [need for need in map(Requirement, package.requires or ()) if _is_wanted(need, extra)]
    return dict(sorted(found.items()))


def _is_wanted(need: Requirement, extra: str) -> bool:
    if need.marker is None:
        return extra == ""
    if need.marker.evaluate({"extra": extra}):
        need.marker = None
        return True
    return False


def name_licence(package: Distribution) -> str:
    """Return a package's licence in few words: the SPDX expression, the classifiers, or the first line given."""
    metadata = package.metadata
    name = canonicalize_name(metadata["Name"])
    if metadata.get("License-Expression"):
        return str(metadata["License-Expression"])
    classifiers = [text.split(" :: ")[-1] for text in metadata.get_all("Classifier") or () if "License ::" in text]
    classifiers = [text for text in classifiers if text != "OSI Approved"]
    if classifiers:
        return ", ".join(classifiers)
    first = str(metadata.get("License") or "").strip().split("\n")[0]
    return first if first and first != "UNKNOWN" else KNOWN.get(name, "not stated")


def judge(licence: str) -> str:
    """Return why a licence is no good here; empty for one that is."""
    if FORBIDDEN.search(licence) and not _offers_choice(licence):
        return "forbids the use"
    return "" if PERMITTED.search(licence) else "is not known"


def _offers_choice(licence: str) -> bool:
    """Whether one of several licences may be chosen, and one of them is good."""
    choices = re.split(r"\bOR\b", licence.strip("() "))
    return len(choices) > 1 and any(PERMITTED.search(part) and not FORBIDDEN.search(part) for part in choices)


def write_document() -> str:
    """Return the document."""
    rows = [f"| {name} | {name_licence(package)} |" for name, package in list_packages().items()]
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(write_document(), end="")

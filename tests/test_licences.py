"""No package that medcore runs on has a licence that forbids its use; the list in the documents is the present one."""

import re
from pathlib import Path

import pytest
from licences import judge, list_packages, name_licence

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "licences.md"
PACKAGES = list_packages()


def test_the_closure_is_followed():
    assert {"streamlit", "tensorflow-cpu", "pydicom", "dicom-anonymizer", "protobuf", "numpy"} <= set(PACKAGES) | (
        {"tensorflow-cpu"} if "tensorflow" in PACKAGES else set()
    )
    assert not {"pytest", "mypy", "ruff", "playwright"} & set(PACKAGES)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_licence_that_permits_the_use(name):
    licence = name_licence(PACKAGES[name])
    assert judge(licence) == "", f"{name}: {licence!r}"


def test_the_document_lists_exactly_what_is_installed():
    rows = dict(re.findall(r"^\| ([\w.-]+) \| (.+) \|$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE))
    rows.pop("package", None)
    missing = set(PACKAGES) - set(rows)
    assert not missing, "write docs/licences.md anew: python tests/licences.py > docs/licences.md"
    assert not [name for name, package in PACKAGES.items() if rows[name] != name_licence(package)]


@pytest.mark.parametrize(
    ("licence", "good"),
    [
        ("MIT", True),
        ("BSD-3-Clause AND Zlib", True),
        ("GNU Lesser General Public License v3 (LGPLv3)", True),
        ("LGPL-3.0-only", True),
        ("MPL-2.0 AND MIT", True),
        ("GPL-2.0-only OR MIT", True),
        ("GPL-3.0-or-later", False),
        ("GNU General Public License v3 (GPLv3)", False),
        ("AGPL-3.0", False),
        ("SSPL-1.0", False),
        ("CC-BY-NC-4.0", False),
        ("Other/Proprietary License", False),
        ("Business Source License 1.1", False),
        ("not stated", False),
        ("", False),
    ],
)
def test_the_rule_itself(licence, good):
    assert (judge(licence) == "") is good

"""A file's name in a message: short, on one line, without anything that acts."""

import pytest

from medcore.imaging.names import UNNAMED, safe_name

CASES = {
    "plain": ("chest 7.dcm", "chest 7.dcm"),
    "folders": ("../../../etc/passwd", "passwd"),
    "backslashes": ("C:\\Users\\roe\\film.png", "film.png"),
    "NUL": ("film\0.png", "film.png"),
    "turned round": ("gnp.\u202emlif.exe", "gnp.mlif.exe"),
    "invisible": ("fi\u200blm\u2066.png", "film.png"),
    "markup": ("<script>alert(1)<\\/script>.png", "script_.png"),
    "markdown": ("[x](javascript:1)`**.png", "_x_(javascript:1)___.png"),
    "line break": ("film\r\n<b>.png", "film _b_.png"),
    "line separator": ("a\u2028b.png", "a b.png"),
    "umlaut": ("Größe.png", "Größe.png"),
    "empty": ("", UNNAMED),
    "only dots": ("..", UNNAMED),
    "only slashes": ("///", UNNAMED),
}


@pytest.mark.parametrize(("name", "shown"), CASES.values(), ids=CASES)
def test_a_name_is_made_safe(name, shown):
    assert safe_name(name) == shown


def test_a_long_name_keeps_both_ends():
    shown = safe_name("a" * 300 + ".dcm")
    assert len(shown) == 60
    assert shown.startswith("aaa")
    assert shown.endswith(".dcm")

"""Every part of a page that runs without its page asks first whether the page is still open to the visitor."""

import ast
from pathlib import Path

import pytest

from medcore.services.house import Page

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted([*(ROOT / "medcore" / "ui").rglob("*.py"), *(ROOT / "pages").rglob("*.py")])


def find_fragments(text):
    """Return (name, whether a timer runs it, the first statement) of every function that is a fragment."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            marks = [mark for mark in node.decorator_list if "fragment" in ast.unparse(mark)]
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            found += [(node.name, "run_every" in ast.unparse(mark), body[0]) for mark in marks]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("fragment") and node.args:
            raise AssertionError(f"line {node.lineno}: write a fragment as a decorator, so that it can be checked")
    return found


def is_recheck(statement, *, timer):
    """Say whether a statement is ``guard.recheck(house, "page")``, for a timer with ``timer=True``."""
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return False
    call = statement.value
    more = {item.arg: ast.unparse(item.value) for item in call.keywords}
    names = [item.value for item in call.args[1:] if isinstance(item, ast.Constant)]
    known = len(names) == 1 and names[0] in set(Page)
    return ast.unparse(call.func) == "guard.recheck" and known and more == ({"timer": "True"} if timer else {})


FRAGMENTS = [
    pytest.param(*item, id=f"{path.stem}.{item[0]}") for path in FILES for item in find_fragments(path.read_text())
]


def test_there_are_fragments_to_look_at():
    assert len(FRAGMENTS) >= 9


@pytest.mark.parametrize(("name", "timer", "first"), FRAGMENTS)
def test_a_part_that_runs_without_its_page_asks_first(name, timer, first):
    assert is_recheck(first, timer=timer), f"{name} begins with: {ast.unparse(first)}"


@pytest.mark.parametrize(
    "body",
    ["pass", "guard.recheck(house, 'nowhere')", "x = guard.recheck(house, 'risk')", "guard.recheck(house)", "show()"],
)
def test_the_check_finds_a_part_that_does_not_ask(body):
    ((_, timer, first),) = find_fragments(f"@st.fragment\ndef part():\n    '''Words.'''\n    {body}")
    assert not is_recheck(first, timer=timer)


def test_the_check_tells_timers_from_touches():
    text = "@st.fragment(run_every=2)\ndef part():\n    guard.recheck(house, 'risk')"
    ((_, timer, first),) = find_fragments(text)
    assert timer
    assert not is_recheck(first, timer=timer)
    assert is_recheck(first, timer=False)

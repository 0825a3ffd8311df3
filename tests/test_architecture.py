"""Who may import whom: the table below is the rule, and the imports of every module are parsed against it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BASE = {"errors", "config", "results"}

ALLOWED = {
    "errors": set(),
    "config": {"errors"},
    "records": {"errors"},
    "results": {"errors"},
    "encoding": {"errors", "records"},
    "workers": {"errors", "config"},
    "datasets": {"errors", "config", "records"},
    "conditions": {"errors", "records", "results", "datasets", "imaging.quality"},
    "imaging": {*BASE, "workers"},
    "evaluation": {"errors", "results"},
    "models": {
        *BASE, "records", "encoding", "datasets", "imaging", "evaluation", "inference.calibrator",
        "inference.film_calibrator",
    },
    "registry": {*BASE, "records", "encoding", "models.layers", "models.layer_names"},
    "inference": {*BASE, "records", "encoding", "imaging", "registry", "workers"},
    "explain": {*BASE, "records", "encoding", "imaging", "registry", "inference", "workers"},
    "api": {*BASE, "records", "conditions", "imaging", "registry", "inference", "explain"},
    "journal": set(BASE),
    "access": {"errors", "config", "journal"},
    "figures": {"errors", "records", "results", "evaluation"},
    "reports": {*BASE, "records", "evaluation", "figures"},
    "services": {
        *BASE, "records", "encoding", "workers", "datasets", "conditions", "imaging", "models", "registry",
        "inference", "explain", "api", "evaluation", "journal", "access", "figures", "reports",
    },
    "ui": {*BASE, "services", "figures", "records", "imaging.radiograph", "evaluation.compared", "access.http",
           "workers.wire"},
    "cli": {*BASE, "services", "conditions", "registry", "ui.server", "cli_access", "cli_journal"},
    "cli_access": {*BASE, "journal", "access"},
    "cli_journal": {*BASE, "journal"},
    "": {"errors", "api"},
}  # fmt: skip
PAGES = {"ui", "services", "errors", ""}
MAY_TOUCH_ENVIRONMENT = {  # config reads it; the others only hand it on to what they start
    "medcore/config.py",
    "medcore/workers/process.py",
    "medcore/cli.py",
    "medcore/services/bench/bench_batch.py",
    "medcore/services/bench/bench_browser.py",
}
STREAMLIT_ROOMS = {"ui"}


def find_imports(path):
    """Yield every absolute module name that a file imports, at any depth."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from {name_import(node.module, alias.name) for alias in node.names}


def name_import(module, name):
    """Return ``module.name`` where that is a file or folder of ours, else ``module``."""
    place = ROOT / f"{module}.{name}".replace(".", "/")
    return f"{module}.{name}" if place.is_dir() or place.with_suffix(".py").is_file() else module


def room_of(path):
    """Return a file's room: the first part of its path below medcore, without suffix."""
    first = path.relative_to(ROOT / "medcore").parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def is_allowed(name, allowed):
    inner = name.removeprefix("medcore").removeprefix(".")
    return any(inner == room or (room and inner.startswith(f"{room}.")) for room in allowed)


def list_modules():
    return sorted(path for path in (ROOT / "medcore").rglob("*.py"))


def list_pages():
    return [*sorted((ROOT / "pages").rglob("*.py")), ROOT / "streamlit_app.py"]


def name_of(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", list_modules(), ids=name_of)
def test_a_module_imports_only_rooms_below_it(path):
    room = room_of(path)
    assert room in ALLOWED, f"{room} is a new room: add it to the table with what it may import"
    ours = {name for name in find_imports(path) if name.startswith("medcore.")}
    assert not {name for name in ours if not is_allowed(name, ALLOWED[room] | {room})}


@pytest.mark.parametrize("path", list_modules(), ids=name_of)
def test_streamlit_stays_in_the_interface(path):
    names = {name.split(".")[0] for name in find_imports(path)}
    assert "streamlit" not in names or room_of(path) in STREAMLIT_ROOMS


@pytest.mark.parametrize("path", list_pages(), ids=name_of)
def test_a_page_imports_only_interface_services_and_errors(path):
    ours = {name for name in find_imports(path) if name.startswith("medcore.")}
    assert not {name for name in ours if not is_allowed(name, PAGES)}
    heavy = {"tensorflow", "keras", "shap", "sklearn", "sqlite3", "pickle"}
    assert not heavy & {name.split(".")[0] for name in find_imports(path)}


def test_the_table_has_no_upward_import():
    """A room may be imported only by rooms that it does not itself import, directly or through others."""
    order = {room: {name.split(".")[0] for name in names} for room, names in ALLOWED.items()}
    order["registry"] -= {"models"}  # only the file of registered layers, which imports nothing of ours
    order["models"] -= {"inference"}  # only the calibrator's arithmetic, likewise
    order["cli"] -= {"ui"}
    order[""] = set()
    while order:
        free = [room for room, below in order.items() if not below & order.keys()]
        assert free, f"these rooms import each other: {sorted(order)}"
        order = {room: below for room, below in order.items() if room not in free}


@pytest.mark.parametrize(
    "name", ["models/layers.py", "models/layer_names.py", "inference/calibrator.py", "inference/film_calibrator.py"]
)
def test_what_two_rooms_share_imports_next_to_nothing_of_ours(name):
    ours = {found for found in find_imports(ROOT / "medcore" / name) if found.startswith("medcore.")}
    assert ours <= {"medcore.errors", "medcore.models.layer_names", "medcore.encoding"}


def test_only_settings_read_the_environment():
    for path in list_modules():
        if name_of(path) in MAY_TOUCH_ENVIRONMENT:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            reads = isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
            assert not reads, f"{name_of(path)}:{node.lineno}: settings come from medcore.config"


def test_nothing_is_ever_unpickled():
    for path in [*list_modules(), *list_pages()]:
        names = {name.split(".")[0] for name in find_imports(path)}
        assert not {"pickle", "joblib", "cloudpickle", "dill", "shelve"} & names, name_of(path)


def test_no_page_lies_directly_in_pages():
    """Streamlit serves such a file at its own address without the router, hence without its guards."""
    assert not list((ROOT / "pages").glob("*.py"))

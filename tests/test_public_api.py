"""What modules promise: sorted ``__all__``, all of it importable, a docstring, and a quick ``import medcore``."""

import importlib
import pkgutil
import subprocess
import sys
from inspect import ismodule

import pytest

import medcore

MODULES = sorted(
    name for _, name, _ in pkgutil.walk_packages(medcore.__path__, "medcore.") if not name.endswith("__main__")
)
HEAVY = {"tensorflow", "keras", "sklearn", "shap", "skops", "streamlit", "pandas", "scipy", "matplotlib", "numpy"}


def sort_key(name):
    """Constants, then classes, then functions, each by name: ruff's order for ``__all__``."""
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2), name


def load(name):
    """Import a module; those that learn from films need an extra that other installations do without."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == "torch":
            pytest.skip("needs the extra train-image")
        raise


@pytest.mark.parametrize("name", ["medcore", *MODULES])
def test_module_keeps_its_promise(name):
    module = load(name)
    assert module.__doc__, "a module opens with its promise"
    public = getattr(module, "__all__", None)
    if public is None:
        own = [item for item, value in vars(module).items() if not item.startswith("_") and not ismodule(value)]
        assert not own, "no __all__"
        return
    assert list(public) == sorted(public, key=sort_key)
    for item in public:
        assert hasattr(module, item), item


@pytest.mark.parametrize("name", ["medcore", *MODULES])
def test_public_functions_and_classes_are_documented(name):
    module = load(name)
    for item in getattr(module, "__all__", ()):
        thing = getattr(module, item)
        if getattr(thing, "__module__", "").startswith("medcore") and callable(thing):
            assert thing.__doc__, f"{name}.{item}"


@pytest.mark.parametrize("code", ["import medcore", "import medcore.cli", "import medcore.workers"])
def test_import_is_light(code):
    done = subprocess.run([sys.executable, "-c", f"{code}, sys; print(*sys.modules)"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stdout.split())


def test_the_python_interface():
    assert medcore.__all__ == ["FilmScorer", "MedcoreError", "Model", "list_models", "load_model"]
    with pytest.raises(AttributeError):
        _ = medcore.no_such_thing

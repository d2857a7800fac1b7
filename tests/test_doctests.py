"""The examples in the docstrings of the installed package."""

import doctest
import importlib
import pkgutil

import pytest

import fastbp

NAMES = ["fastbp", *(module.name for module in pkgutil.walk_packages(fastbp.__path__, "fastbp."))]
DRAWING = ("fastbp.plots", "fastbp.callbacks.history")


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith(".__main__")])
def test_examples_of(name, tmp_path, monkeypatch):
    if name.startswith(DRAWING):
        pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0, f"{result.failed} of {result.attempted} examples of {name}: see above"


def test_there_are_examples_to_run_in_python_and_in_cython():
    for name in ("fastbp.model", "fastbp._core._team"):
        finder = doctest.DocTestFinder()
        assert any(test.examples for test in finder.find(importlib.import_module(name)))

"""Floor 4. The command `python -m fastbp.sklearn`: runs a program with our estimators for scikit-learn's."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from fastbp.sklearn import patch

USAGE = """usage: python -m fastbp.sklearn script.py [arguments ...]
       python -m fastbp.sklearn -m module [arguments ...]"""
WHAT = "Runs the program, unchanged, with fastbp's MLPClassifier and MLPRegressor in the place of scikit-learn's."


def main() -> None:
    """Patch, and run what the command line names as Python would."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["-h"] or arguments[:1] == ["--help"]:
        print(USAGE, WHAT, sep="\n\n")
        return
    module = arguments[:1] == ["-m"]
    if len(arguments) < 1 + module:
        sys.exit(USAGE)
    target, sys.argv = arguments[int(module)], arguments[int(module) :]
    patch()
    if module:
        runpy.run_module(target, run_name="__main__", alter_sys=True)
        return
    if not Path(target).exists():
        sys.exit(f"expected a script, got {target!r}, which does not exist")
    if not sys.flags.safe_path:  # where Python has put the current folder, for itself
        sys.path[0] = str(Path(target).resolve().parent)
    runpy.run_path(target, run_name="__main__")


main()

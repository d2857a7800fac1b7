"""Runs the documents: every Python block of a Markdown file, from top to bottom, as one program.

A `text` block right behind a `python` block is what that block prints (`...` stands for anything, as in doctest). Lines
of `sh` blocks that start with `fastbp ` can be run as well.
"""

import contextlib
import doctest
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import mnist_data

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


class Block(NamedTuple):
    """A fenced block: its language, its text, the line its text starts on, and what stands before the fence."""

    language: str
    text: str
    line: int
    before: str


def blocks(path):
    """All fenced blocks of a file, in order."""
    content, end = path.read_text(encoding="utf-8"), 0
    found = []
    for match in FENCE.finditer(content):
        line = content.count("\n", 0, match.start(2))
        found.append(Block(match[1], match[2], line, content[end : match.start()].strip()))
        end = match.end()
    return found


def run_python(path):
    """Run the Python blocks of a file in one namespace; returns how many there were."""
    namespace, count, printed = {"__name__": "__main__"}, 0, None
    for block in blocks(path):
        if block.language == "python":
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile("\n" * block.line + block.text, str(path), "exec"), namespace)
            count, printed = count + 1, output.getvalue()
            continue
        if block.language == "text" and printed is not None and not block.before:
            check_output(f"{path.name}, line {block.line + 1}", block.text, printed)
        printed = None
    return count


def check_output(where, expected, printed):
    """The printed text is the expected one, but for blanks at the ends of lines."""
    want, got = ("".join(f"{line.rstrip()}\n" for line in text.rstrip().splitlines()) for text in (expected, printed))
    same = doctest.OutputChecker().check_output(want, got, doctest.ELLIPSIS | doctest.DONT_ACCEPT_BLANKLINE)
    assert same, f"{where}: expected\n{want}\ngot\n{got}"


def run_commands(path, folder):
    """Run the `fastbp` commands of a file in a folder; returns how many there were."""
    lines = [line for block in blocks(path) if block.language == "sh" for line in block.text.splitlines()]
    commands = [line for line in lines if line.startswith("fastbp ") and (mnist_data.FOUND or "mnist" not in line)]
    for command in commands:
        words = shlex.split(command, comments=True)
        done = subprocess.run([sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{path.name}: {command}\n{done.stderr}"
    return len(commands)


def broken_links(path):
    """Relative links of a file that lead nowhere."""
    return [link for link in LINK.findall(path.read_text(encoding="utf-8")) if not (path.parent / link).exists()]

"""The documents beside the README: their code runs and prints what they say, their links lead somewhere."""

import re

import documents
import pytest

import fastbp as fb

DOCS = sorted((documents.ROOT / "docs").glob("*.md"))
PAGES = [*DOCS, documents.ROOT / "CONTRIBUTING.md", documents.ROOT / "CHANGELOG.md"]


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_the_code_of_a_document_runs_and_prints_what_is_written(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert documents.run_python(path)


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_the_commands_of_a_document_run(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    documents.run_python(path)  # leaves the files that the commands read
    documents.run_commands(path, tmp_path)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_links_of_a_document_lead_somewhere(path):
    assert documents.broken_links(path) == []


def test_output_that_differs_from_the_document_is_an_error(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(1 + 1)\n```\n\n```text\n3\n```\n")
    with pytest.raises(AssertionError, match=r"page\.md, line 6: expected"):
        documents.run_python(page)


def test_every_function_of_ops_is_named_in_its_guide():
    text = (documents.ROOT / "docs" / "ops.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)`", text))
    assert {name.removesuffix("_backward") for name in fb.ops.__all__} <= named

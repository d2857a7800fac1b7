"""The README: its code runs, its commands stand on the first screen, its links lead somewhere."""

import documents

README = documents.ROOT / "README.md"
COMMANDS = "pip install . && fastbp train\npip install '.[test]' && pytest\n"
FIRST_SCREEN = 30  # lines


def test_the_code_of_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert documents.run_python(README)


def test_the_first_block_of_the_readme_is_the_two_commands_and_code_follows_on_the_same_screen():
    commands, code = documents.blocks(README)[:2]
    assert (commands.language, commands.text) == ("sh", COMMANDS)
    assert code.language == "python"
    assert code.line + code.text.count("\n") <= FIRST_SCREEN


def test_the_links_of_the_readme_lead_somewhere():
    assert documents.broken_links(README) == []

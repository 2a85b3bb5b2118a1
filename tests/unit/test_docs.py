"""What the pages tell people to type: commands, options, targets and variables that there are."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from mitt_assets.cli import mitt

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", *sorted(f"docs/{file.name}" for file in (ROOT / "docs").glob("*.md")))
CODE = re.compile(r"^```\w*\n(.*?)^```$|`([^`\n]+(?:\n[^`\n]+)?)`", re.MULTILINE | re.DOTALL)
"""Blocks of code, and code in a sentence, which may go over the end of a line."""
WORDS = r"((?:[ \t]+[^\s|;&#>()]+)*)"
COMMAND = re.compile(rf"(?:^|(?<=[\s/(]))mitt{WORDS}", re.MULTILINE)
MAKE = re.compile(rf"(?:^|(?<=[\s(]))make{WORDS}", re.MULTILINE)


def code_of(page: str) -> str:
    """All code of a page, each command on one line, without comments and brackets."""
    found = CODE.findall((ROOT / page).read_text(encoding="utf-8"))
    blocks = [block.replace("\\\n", " ") or span.replace("\n", " ") for block, span in found]
    return re.sub(r"#.*$|[\[\]]", "", "\n".join(blocks), flags=re.MULTILINE)


def complaint(words: list[str]) -> str | None:
    """What of a command after ``mitt`` there is not."""
    command: click.Command = mitt
    for word in words:
        if word.startswith("--"):
            named = {name for one in command.params for name in one.opts + one.secondary_opts}
            if word.partition("=")[0] not in {*named, "--help"}:
                return f"mitt {' '.join(words)}: no option {word}"
        elif isinstance(command, click.Group):
            if word not in command.list_commands(click.Context(command)):
                return f"mitt {' '.join(words)}: no command {word}"
            found = command.get_command(click.Context(command), word)
            assert found is not None
            command = found
    return None


@pytest.mark.parametrize("page", PAGES)
def test_every_command_there_is(page: str) -> None:
    asked = [words.split() for words in COMMAND.findall(code_of(page))]
    assert [said for words in asked if (said := complaint(words))] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_target_there_is(page: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    variables = set(re.findall(r"^([A-Z_]+) \?=", makefile, re.MULTILINE))
    for words in MAKE.findall(code_of(page)):
        for word in words.split():
            name, given, _ = word.partition("=")
            assert name in (variables if given else targets), f"{page}: make{words}"


def test_commands_are_found_on_these_pages() -> None:
    found = {page: len(COMMAND.findall(code_of(page))) for page in PAGES}
    assert found["docs/operations.md"] > 8
    assert found["README.md"] > 8
    assert complaint(["run", "--langauge", "tl"]) == "mitt run --langauge tl: no option --langauge"
    assert complaint(["lineage", "sing"]) == "mitt lineage sing: no command sing"

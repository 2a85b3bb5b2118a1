"""The tutorial's commands, run as they stand; what it says they print is printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ui.browser import ROOT

PAGE = ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MITT = f'mitt() {{ "{sys.executable}" -m mitt_assets.cli "$@"; }}\n'
"""The command of this environment, which need not be on the PATH of a test."""


def blocks() -> list[tuple[str, list[str]]]:
    """Every block of commands, with the lines that what it prints must hold."""
    found: list[tuple[str, list[str]]] = []
    for kind, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if kind == "sh":
            found.append((text, []))
        else:
            found[-1][1].extend(text.splitlines())
    return found


def _on_one_core() -> None:
    """One worker process a command: the page's study is too small for two to gain anything."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


@pytest.mark.timeout(900)
def test_the_commands_do_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MITT_HOME")
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    said_before = "set -e\n" + MITT
    assert len(blocks()) == 8
    for commands, lines in blocks():
        done = subprocess.run(
            ["bash", "-c", said_before + commands],
            cwd=tmp_path,
            env={**os.environ, "COLUMNS": "200", "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            preexec_fn=_on_one_core,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, f"{commands}\n{said}"
        assert [line for line in lines if line not in said] == [], f"{commands}\n{said}"
        said_before += "".join(
            f"{line}\n" for line in commands.splitlines() if line.startswith("export ")
        )
    assert sorted(os.listdir(tmp_path)) == [".mitt", "docs"]

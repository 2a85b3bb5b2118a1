"""One study in one web interface for all these tests, and somebody in front of it.

Its problems are the tutorial's, with one number of a German question wrong. English was made by
``mitt run`` before; everything else is done by the tests, in the order they are written in.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
import yaml
from playwright.sync_api import Browser

from mitt_assets.home import open_maker
from mitt_assets.materialise import Maker
from mitt_assets.study_file import load_study
from tests.commandline import mitt
from tests.ui.browser import ROOT, Person, chromium
from tests.ui.served import Served, free_port

TUTORIAL = ROOT / "docs" / "tutorial"
MODELS = ("llama", "qwen")


@dataclass(frozen=True)
class Shown:
    """A study, its home and the web interface over it."""

    study: Path
    home: Path
    ui: Served

    def maker(self) -> Maker:
        """The study as the command line sees it."""
        return open_maker(str(self.study))

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        """The instance as the command line sees it."""
        folder = self.home / load_study(self.study).name / "dagster"
        with dg.DagsterInstance.from_config(str(folder)) as instance:
            yield instance


def write_study(folder: Path) -> Path:
    """The tutorial's study and problems in a folder of their own."""
    raw = yaml.safe_load((TUTORIAL / "study.yaml").read_text(encoding="utf-8"))
    raw["models"] = {name: {"source": f"organism:{name}"} for name in MODELS}
    text = (TUTORIAL / "evaluation.jsonl").read_text(encoding="utf-8")
    assert "31 Hefte" in text
    (folder / "evaluation.jsonl").write_text(text.replace("31 Hefte", "13 Hefte"), "utf-8")
    training = (TUTORIAL / "training.jsonl").read_bytes()
    (folder / "training.jsonl").write_bytes(training)
    raw["problems"]["source"] = str(folder / "evaluation.jsonl")
    raw["problems"]["training"]["source"] = str(folder / "training.jsonl")
    (folder / "study.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
    return folder / "study.yaml"


@pytest.fixture(scope="session")
def _shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    folder = tmp_path_factory.mktemp("shown")
    study, home, port = write_study(folder), folder / "home", free_port()
    english = ("--language", "en", "--variant", "base")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MITT_HOME", str(home))
        mitt("run", "--study", str(study), *english, "--jobs", "2")
    command = [sys.executable, "-m", "mitt_assets.cli", "ui", "--port", str(port)]
    settings = {"MITT_HOME": str(home), "MITT_STUDY": str(study)}
    with Served(command, port, settings, folder / "said.log") as ui:
        yield Shown(study, home, ui)


@pytest.fixture
def shown(_shown: Shown, monkeypatch: pytest.MonkeyPatch) -> Shown:
    """The study in the web interface; this process is at its home too."""
    monkeypatch.setenv("MITT_HOME", str(_shown.home))
    monkeypatch.setenv("MITT_STUDY", str(_shown.study))
    return _shown


@pytest.fixture(scope="session")
def _browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def person(shown: Shown, _browser: Browser, request: pytest.FixtureRequest) -> Iterator[Person]:
    """Somebody in front of the web interface; no page may ask another machine for anything."""
    somebody = Person(_browser, shown.ui.url)
    yield somebody
    somebody.picture(f"end_of_{request.node.name}")
    somebody.page.close()
    somebody.context.close()
    assert somebody.abroad == []

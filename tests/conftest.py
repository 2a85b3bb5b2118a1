"""A home of its own for every test, and a miniature study on a shipped checkpoint."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from mitt_assets.collector import relax
from tests.commandline import mitt

relax()  # as every process of `mitt` does
ROOT = Path(__file__).parents[1]
MINIATURE = {
    "name": "mini",
    "languages": {
        "en": {"name": "English", "level": "high", "wait": "Wait"},
        "de": {"name": "German", "level": "mid", "wait": "Warte"},
        "tl": {"name": "Tagalog", "level": "low", "wait": "Sandali"},
    },
    "models": {"llama": {"source": "organism:llama"}},
    "problems": {
        "source": "organism",
        "answer": {"low": 0, "high": 60},
        "duplicates": "events",
        "evaluation": {"count": 3, "seed": 90},
        "training": {"count": 4, "seed": 91},
    },
    "engine": {"shard": 8},
    "generation": {"samples": 2, "budget": 256, "answer_tokens": 8, "waits": 1},
    "probes": {"suffix": "</think>\n\n\\boxed{", "tokens": 6, "stop_at_brace": True},
    "windows": {"segments": 4, "rolling": 1, "candidates": ["en", "de", "tl"]},
    "encoder": {"source": "organism"},
    "variants": {
        "base": {},
        "mitt": {
            "recipe": {
                "prompt_languages": ["en", "de", "tl"],
                "cut": {"tokens": 8},
                "whole_share": 0.25,
                "adapter": {"steps": 2, "batch": 4},
            }
        },
        "own_prefix": {
            "recipe": {
                "source_languages": ["en", "de", "tl"],
                "prompt_languages": "own",
                "cut": {"tokens": 8},
                "whole_share": 0.25,
                "adapter": {"steps": 2, "batch": 4},
            }
        },
        "english_prefix": {"inference_prefix": {"language": "en", "tokens": 8}},
    },
    "statistics": {"resamples": 100, "comparisons": [["mitt", "own_prefix"], ["mitt", "base"]]},
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the finished study first: one process makes it while another takes what is last."""
    items.sort(key=lambda item: "finished" not in getattr(item, "fixturenames", ()))


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the user's home."""
    home = tmp_path / "home"
    monkeypatch.setenv("MITT_HOME", str(home))
    monkeypatch.delenv("MITT_STUDY", raising=False)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return home


@pytest.fixture(scope="session")
def finished(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str, pytestconfig: pytest.Config
) -> tuple[Path, Path]:
    """One whole run of the miniature study: (home, study file). Made once for all workers.

    It is kept in pytest's cache for as long as no file that could change it does; tests get a copy.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "finished"
    kept = pytestconfig.cache.mkdir("finished") / _what_it_is_made_of()  # type: ignore[union-attr]
    with FileLock(f"{folder}.lock"):
        if not kept.exists():
            _run_miniature(folder)
            _keep(folder, kept)
        elif not folder.exists():
            shutil.copytree(kept, folder, symlinks=True)
    return folder / "home", folder / "study.yaml"


def _what_it_is_made_of() -> str:
    """A digest of the study, every file of the packages and the libraries that are asked for."""
    digest = hashlib.sha256(repr(MINIATURE).encode())
    packages = ("mitt_assets", "resources", "checks")
    files = [file for one in packages for file in (ROOT / one).rglob("*") if file.is_file()]
    for file in (ROOT / "pyproject.toml", *sorted(files)):
        if file.suffix != ".pyc":
            digest.update(f"{file}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _keep(folder: Path, kept: Path) -> None:
    """Copy a folder in one step, in the place of whatever is beside it."""
    for old in kept.parent.iterdir():
        shutil.rmtree(old, ignore_errors=True)
    copy = kept.with_name(f"{kept.name}.{os.getpid()}")
    shutil.copytree(folder, copy, symlinks=True)
    with suppress(OSError):  # other tests were faster
        copy.rename(kept)


def _run_miniature(folder: Path) -> None:
    folder.mkdir()
    study = folder / "study.yaml"
    study.write_text(yaml.safe_dump(MINIATURE), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MITT_HOME", str(folder / "home"))
        mitt("run", "--study", str(study), "--jobs", "2")


@pytest.fixture
def done(finished: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The finished study, its home set; read only."""
    monkeypatch.setenv("MITT_HOME", str(finished[0]))
    return finished[1]


@pytest.fixture
def study_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes the miniature study, with top-level keys replaced, and gives its path."""

    def write(**changes: object) -> Path:
        path = tmp_path / f"study-{len(list(tmp_path.glob('study-*.yaml')))}.yaml"
        path.write_text(yaml.safe_dump({**MINIATURE, **changes}), encoding="utf-8")
        return path

    return write

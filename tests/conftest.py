"""A home of its own for every test, and a miniature study on a shipped checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from tests.commandline import mitt

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
    "engine": {"shard": 4},
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


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the user's home."""
    home = tmp_path / "home"
    monkeypatch.setenv("MITT_HOME", str(home))
    monkeypatch.delenv("MITT_STUDY", raising=False)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return home


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> tuple[Path, Path]:
    """One whole run of the miniature study: (home, study file). Made once for all workers."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "finished"
    home, study = folder / "home", folder / "study.yaml"
    with FileLock(f"{folder}.lock"):
        if not study.exists():
            folder.mkdir(exist_ok=True)
            file = folder / f"{worker_id}.yaml"
            file.write_text(yaml.safe_dump(MINIATURE), encoding="utf-8")
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("MITT_HOME", str(home))
                mitt("run", "--study", str(file), "--jobs", "2")
            file.rename(study)
    return home, study


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

"""Repositories of the Hugging Face hub as folders of this machine, at one commit.

What the local cache holds at a pinned commit is used without asking the hub anything, for a commit
never changes. Whatever the hub refuses becomes one sentence with what to do.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, TypeVar

from mitt_assets.errors import DataError, MittError, ModelError

Kind = Literal["model", "dataset"]

Answer = TypeVar("Answer")

_FILES = (".jsonl", ".csv", ".parquet", ".json", ".tsv", ".txt")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_NAMES = {"model": "model", "dataset": "data set"}
_PAGES = {"model": "https://huggingface.co", "dataset": "https://huggingface.co/datasets"}
_OWN = {"model": "folder", "dataset": "file or folder of your own"}
_OFFLINE = {
    "model": ("HF_HUB_OFFLINE",),
    "dataset": ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"),
}
_TRUE = ("1", "ON", "YES", "TRUE")
_ERRORS: dict[Kind, type[MittError]] = {"model": ModelError, "dataset": DataError}


def is_commit(revision: str | None) -> bool:
    """Whether a revision is a full commit id, and so never means anything else."""
    return revision is not None and _COMMIT.fullmatch(revision) is not None


def is_file(source: str) -> bool:
    """Whether a source is a file and no folder: one that is here, or the name of a data file."""
    path = Path(source).expanduser()
    return not path.is_dir() and (path.suffix.lower() in _FILES or path.exists())


def is_repository(source: str) -> bool:
    """Whether a source is written as a hub id, owner/name, and is no file or folder here."""
    owner, slash, name = source.partition("/")
    written = (
        bool(slash and owner and name) and "/" not in name and not source.startswith((".", "~"))
    )
    return written and not is_file(source) and not Path(source).expanduser().is_dir()


def snapshot(
    kind: Kind,
    source: str,
    revision: str | None,
    *,
    place: str,
    patterns: Sequence[str],
    lacking: Callable[[Path], Sequence[str]] = lambda folder: (),
) -> Path:
    """The folder of a repository's files that match ``patterns``, fetched if they are not here.

    The folder's name is its commit. ``place`` is the study key that errors name, and ``lacking``
    says which files a folder should have and has not: a download may have been cut off, and the
    cache does not always know. Raises ModelError or DataError with the remedy.
    """
    from huggingface_hub.errors import LocalEntryNotFoundError

    offline = _offline(kind)
    if is_commit(revision) or offline:
        try:
            folder = _folder(kind, source, revision, patterns, local=True)
        except LocalEntryNotFoundError as problem:
            if offline:
                raise _absent(kind, source, revision, place, str(problem)) from problem
        else:
            missing = lacking(folder)
            if not missing:
                return folder
            if offline:
                raise _absent(kind, source, revision, place, f"it lacks {_some(missing)}")
    return _fetched(kind, source, revision, place, patterns)


def here(
    kind: Kind,
    source: str,
    revision: str | None,
    *,
    patterns: Sequence[str],
    lacking: Callable[[Path], Sequence[str]] = lambda folder: (),
) -> Path | None:
    """The folder of a repository that is whole in the local cache, else None; nothing is asked."""
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = _folder(kind, source, revision, patterns, local=True)
    except (LocalEntryNotFoundError, HFValidationError):
        return None
    return None if lacking(folder) else folder


def commit_of(kind: Kind, source: str, revision: str | None, place: str) -> str:
    """The commit that ``revision`` (the main branch if empty) is on the hub now.

    Raises ModelError or DataError if the hub does not say.
    """
    from huggingface_hub import HfApi

    def ask() -> str:
        found = HfApi().repo_info(source, repo_type=kind, revision=revision)
        return str(found.sha)

    return _asked(ask, kind, source, revision, place)


def _fetched(
    kind: Kind, source: str, revision: str | None, place: str, patterns: Sequence[str]
) -> Path:
    def fetch() -> Path:
        return _folder(kind, source, revision, patterns, local=False)

    return _asked(fetch, kind, source, revision, place)


def _folder(
    kind: Kind, source: str, revision: str | None, patterns: Sequence[str], *, local: bool
) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    return Path(
        snapshot_download(
            source,
            repo_type=kind,
            revision=revision,
            allow_patterns=list(patterns),
            local_files_only=local,
        )
    )


def _asked(
    ask: Callable[[], Answer], kind: Kind, source: str, revision: str | None, place: str
) -> Answer:
    """What the hub answers; its refusals in words."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    what = f"{place}: the {_NAMES[kind]} {_named(source, revision)}"
    page = f"{_PAGES[kind]}/{source}"
    try:
        return ask()
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as problem:
        raise _absent(kind, source, revision, place, str(problem)) from problem
    except HFValidationError as problem:
        said = (
            f"{what} has no id of the hub ({_first_line(problem)}): write owner/name, or give the"
            f" path of a {_OWN[kind]}"
        )
        raise _ERRORS[kind](said) from problem
    except GatedRepoError as problem:
        said = (
            f"{what} is gated: accept its terms at {page}, then log in with `hf auth login` as the"
            " one who accepted, or set HF_TOKEN"
        )
        raise _ERRORS[kind](said) from problem
    except RevisionNotFoundError as problem:
        said = (
            f"{what}: there is no such revision; give a commit id from {page}/commits/main, or let"
            " `mitt study pin` write today's"
        )
        raise _ERRORS[kind](said) from problem
    except RepositoryNotFoundError as problem:
        said = (
            f"{what} does not exist, or not for you: check the id; if it is private, log in with"
            " `hf auth login` or set HF_TOKEN"
        )
        raise _ERRORS[kind](said) from problem
    except Exception as problem:  # a download breaks in as many ways as its libraries have layers
        said = (
            f"{what} was not given by the hub ({_first_line(problem)}): try again later, what was"
            f" fetched is kept; or give the path of a {_OWN[kind]}"
        )
        raise _ERRORS[kind](said) from problem


def _absent(kind: Kind, source: str, revision: str | None, place: str, detail: str) -> MittError:
    """It is not here, and the hub cannot be asked."""
    given = [name for name in _OFFLINE[kind] if os.environ.get(name, "").upper() in _TRUE]
    why = f"{' and '.join(given)} is set" if given else "the hub cannot be reached"
    option = " --repo-type dataset" if kind == "dataset" else ""
    at = f" --revision {revision}" if revision else ""
    return _ERRORS[kind](
        f"{place}: the {_NAMES[kind]} {_named(source, revision)} is not whole in the local cache"
        f" and {why} ({_first_line(detail)}). Fetch it once, where there is a network, with"
        f" `hf download {source}{option}{at}`, or give the path of a {_OWN[kind]}"
    )


def _offline(kind: Kind) -> bool:
    from huggingface_hub import constants

    if kind == "dataset" and os.environ.get("HF_DATASETS_OFFLINE", "").upper() in _TRUE:
        return True
    return bool(constants.HF_HUB_OFFLINE)


def _named(source: str, revision: str | None) -> str:
    return f"{source}@{revision}" if revision else source


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _first_line(problem: Exception | str) -> str:
    text = str(problem).strip() or type(problem).__name__
    return text.splitlines()[0].rstrip(". ")

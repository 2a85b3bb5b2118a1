"""The home of a study: everything it made, in one folder.

``MITT_HOME`` (``.mitt`` if unset) holds one folder per study: ``store/`` with the data and its
records, ``dagster/`` for the instance, ``scratch/`` for work in progress, ``cache/`` which may be
emptied at will, ``tables/`` and ``report/`` for people.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from mitt_assets.errors import StorageError
from mitt_assets.lineage.store import Store, open_store
from mitt_assets.materialise import Maker
from mitt_assets.study import Recipe, Split, Study, Variant
from resources.files import make_folder, told, write_atomic

REPORT_ASSET = "reports/study"
REPORT_FILE = "report.html"


class Home:
    """Paths of one study's home. Nothing is created before ``prepare`` or a first write."""

    def __init__(self, study: Study) -> None:
        self.study = study
        homes = os.path.expanduser(os.environ.get("MITT_HOME") or ".mitt")
        self.path = Path(homes).resolve() / study.name
        self.dagster = self.path / "dagster"
        self.scratch = self.path / "scratch"
        self.cache = self.path / "cache"

    def store(self) -> Store:
        """The study's data and records."""
        return open_store(self.path)

    def prepare(self) -> None:
        """Make the home usable: folders, the instance's settings, its database schema.

        The schema is created under a lock: several processes at once would break each other.
        Raises StorageError if the home cannot be written.
        """
        with told(self.path, "prepare the home"):
            for folder in (self.path, self.dagster, self.scratch, self.cache):
                make_folder(folder)
        with told(self.path, "prepare the home"), self._locked():
            settings = Path(__file__).with_name("dagster.yaml").read_bytes()
            file = self.dagster / "dagster.yaml"
            if not file.is_file():
                write_atomic(file, settings)
            self._create_schema()

    def _create_schema(self) -> None:
        from mitt_assets.instance import POSTGRES, create_schema, storage_kind

        done, wanted = self.dagster / ".storage", storage_kind()
        kept = done.read_text(encoding="ascii") if done.is_file() else None
        if kept is None:
            create_schema(self.dagster)
            write_atomic(done, wanted.encode("ascii"))
        elif kept != wanted:
            raise StorageError(
                f"{self.dagster}: the runs of this home are kept in {kept}, but {POSTGRES} asks"
                f" for {wanted}. Set or unset {POSTGRES} as before. To begin with an empty history"
                " instead, move that folder away; the data are elsewhere."
            )

    def database(self) -> AbstractContextManager[None]:
        """Turn any failure of the instance's database inside into a StorageError with a remedy."""
        from mitt_assets.instance import database

        return database(self.dagster)

    def hold(self) -> int:
        """Lock the home for as long as this process and those that inherit the lock run.

        Two daemons on one home would launch runs twice. Returns the lock's descriptor; raises
        StorageError if another holds it.
        """
        lock = os.open(self.dagster / "ui.lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise StorageError(
                f"another `mitt ui` shows {self.path} already; use that one, or end it first"
            ) from error
        return lock

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with open(self.path / "home.lock", "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def publish_report(self, store: Store) -> Path | None:
        """Put the current report where people open it; its path, or None if there is none."""
        record = store.current(REPORT_ASSET, None)
        if record is None:
            return None
        folder = self.path / "report"
        with told(folder, "write the report"):
            for name in record.files:
                make_folder((folder / name).parent)
                write_atomic(folder / name, store.read(record, name))
        return folder / REPORT_FILE


def limited(study: Study, limit: int | None) -> Study:
    """The study on its first ``limit`` problems, under a name (and so a home) of its own.

    Adapters are trained for a few steps only: this tries the chain, it measures nothing.
    """
    if limit is None:
        return study
    problems = study.problems.model_copy(
        update={
            name: split.model_copy(update={"count": limit})
            for name in ("evaluation", "development", "training")
            if isinstance(split := getattr(study.problems, name), Split)
        }
    )
    variants = {name: _limited_variant(one, limit) for name, one in study.variants.items()}
    name = f"{study.name}-limit-{limit}"
    return study.model_copy(update={"name": name, "problems": problems, "variants": variants})


def _limited_variant(variant: Variant, limit: int) -> Variant:
    if variant.recipe is None:
        return variant
    adapter = variant.recipe.adapter
    few = adapter.model_copy(update={"steps": min(adapter.steps, 2 * limit)})
    most = min(variant.recipe.problems or limit, limit)
    recipe: Recipe = variant.recipe.model_copy(update={"adapter": few, "problems": most})
    return variant.model_copy(update={"recipe": recipe})


def open_maker(name: str | None, limit: int | None = None) -> Maker:
    """The maker of a study by name, over its home."""
    from mitt_assets.assets.chain import build_graph
    from mitt_assets.study_file import load_study

    study = limited(load_study(name), limit)
    home = Home(study)
    return Maker(build_graph(study), home.store(), home.scratch)

"""A sensor for files that changed under our feet: stored objects, the user's files, models.

It compares path, size and time with what it saw before and hashes nothing, so it may run all day;
what it notices is looked into by a run of its own, which says so on the partitions concerned.
"""

# No `from __future__ import annotations`: Dagster reads the type of a sensor's context.

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import dagster as dg

from mitt_assets.errors import IntegrityError
from mitt_assets.graph import Graph
from mitt_assets.home import Home
from mitt_assets.lineage.statement import label
from mitt_assets.materialise import Maker
from mitt_assets.up_to_date import LOOK, LOOK_INTO
from resources.files import told, write_atomic

SENSOR = "changed_files"
EVERY = 60
"""Seconds between two looks (our choice)."""
FILE = "file "
"""How a file begins among the study values that a step reads."""
SEEN = "watched.json"
"""In the home's cache: every file's state when it was last looked at."""

State = list[int] | None
"""Size and time of change in nanoseconds; None for a file that is not there."""


def changed_files(maker: Maker, job: dg.JobDefinition) -> dg.SensorDefinition:
    """Asks for a look into the partitions whose files are not what they were.

    It is on from the start: it costs little and makes nothing, and who expects no damage would
    turn nothing on.
    """
    home = Home(maker.graph.study)
    files = cache(lambda: list(_files_read(maker.graph)))

    @dg.sensor(
        name=SENSOR,
        job=job,
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=EVERY,
        description="Notices stored objects, problem files and models that changed or are gone.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        places, now = watched(maker, files())
        before = _seen(home)
        changed = changes(before, now)
        if now != before:
            with told(home.cache, "remember the files that were looked at"):
                write_atomic(home.cache / SEEN, json.dumps(now).encode("ascii"))
        if not changed:
            return dg.SkipReason(f"{len(now)} files are what they were.")
        for name in changed:
            context.log.warning(f"{name} changed or is gone: {', '.join(sorted(places[name]))}")
        into = sorted({place for name in changed for place in places[name]})
        return dg.RunRequest(run_config={"ops": {LOOK: {"config": {LOOK_INTO: into}}}})

    return sensor


def watched(
    maker: Maker, files: Iterable[tuple[str, Path]]
) -> tuple[dict[str, set[str]], dict[str, State]]:
    """Every file that is watched: the partitions that rest on it, and its state now.

    ``files`` are the user's own, each with a partition that reads it.
    """
    places: dict[str, set[str]] = {}
    now: dict[str, State] = {}
    own = ((place, str(path), path) for place, path in (*files, *_weights(maker.graph)))
    for place, name, path in (*_objects(maker), *own):
        places.setdefault(name, set()).add(place)
        now[name] = _state(path)
    return places, now


def changes(before: Mapping[str, State], now: Mapping[str, State]) -> list[str]:
    """The files that are gone or not what they were; one that is new is as it should be."""
    return sorted(
        name
        for name, state in now.items()
        if (before[name] != state if name in before else state is None)
    )


def _objects(maker: Maker) -> Iterator[tuple[str, str, Path | None]]:
    """The stored objects behind every current partition; a broken record counts as gone."""
    for key in maker.graph.all_partitions:
        place = label(*key)
        try:
            record = maker.store.current(*key)
        except IntegrityError:
            yield place, f"the record of {place}", None
            continue
        for digest in sorted(record.files.values()) if record else ():
            yield place, f"object {digest}", maker.store.storage.local_path(digest)


def _files_read(graph: Graph) -> Iterator[tuple[str, Path]]:
    """The user's files that steps read, each with the partition that reads it; hashes them."""
    for asset, key in graph.all_partitions:
        if graph.step(asset).outside is not None:
            for name in graph.slice(asset, key):
                if name.startswith(FILE):
                    yield label(asset, key), Path(name.removeprefix(FILE)).absolute()


def _weights(graph: Graph) -> Iterator[tuple[str, Path]]:
    """The files of models and of an encoder that lie in folders of the user's."""
    from resources.models import files_of

    study = graph.study
    folders = {
        **{label("base_model", slug): one.source for slug, one in study.models.items()},
        "sentence_encoder": study.encoder.source,
    }
    for place, source in folders.items():
        folder = Path(source).expanduser()
        for path in files_of(folder) if folder.is_dir() else ():
            yield place, path


def _state(path: Path | None) -> State:
    if path is None or not path.is_file():
        return None
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _seen(home: Home) -> dict[str, State]:
    """What was seen before; nothing if that was never, or was cut short."""
    file = home.cache / SEEN
    try:
        seen = json.loads(file.read_bytes()) if file.is_file() else {}
    except ValueError:
        return {}
    return seen if isinstance(seen, dict) else {}

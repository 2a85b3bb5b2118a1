"""A sensor for what changed under our feet: stored objects, the user's files, models, the study.

It compares path, size and time with what it saw before and hashes none of them, so it may run all
day; what it notices is looked into by a run of its own, which says so on the partitions concerned.
Where a partition was remade, the study says something else or a problem file was added, others may
be stale: once that has settled, all of them are looked at.
"""

# No `from __future__ import annotations`: Dagster reads the type of a sensor's context.

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypedDict

import dagster as dg

from mitt_assets.errors import IntegrityError, StudyError
from mitt_assets.graph import Graph
from mitt_assets.home import Home
from mitt_assets.lineage import canonical
from mitt_assets.lineage.statement import label
from mitt_assets.materialise import Maker
from mitt_assets.study_file import load_study
from mitt_assets.up_to_date import LOOK, LOOK_INTO
from resources.files import told, write_atomic
from resources.hub import is_file
from resources.problem_sources import origin, splits
from resources.problem_sources.hub_sets import data_files

SENSOR = "changed_files"
EVERY = 60
"""Seconds between two looks (our choice)."""
SEEN = "seen.json"
"""In the home's cache: what the last looks saw, each by its digest.

Dagster keeps the cursor of every tick, so it is that digest only; a trial of the sensor in the web
interface, whose cursor is thrown away, takes nothing from the next look.
"""
KEPT = 4
"""Looks that are kept (our choice)."""

State = list[int] | None
"""Size and time of change in nanoseconds; None for a file that is not there."""


class Seen(TypedDict):
    """What one look saw: every file, and digests of what all partitions stand on.

    ``stands`` is as it was then, ``looked`` as it was when staleness was last asked for.
    """

    files: dict[str, State]
    stands: str
    looked: str


def changed_files(maker: Maker, job: dg.JobDefinition, study_file: Path) -> dg.SensorDefinition:
    """Asks for a look at the partitions whose files, inputs or settings are not what they were.

    It is on from the start: it costs little and makes nothing, and who expects no damage would
    turn nothing on.
    """
    home = Home(maker.graph.study)

    @dg.sensor(
        name=SENSOR,
        job=job,
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=EVERY,
        description="Notices stored objects, problem files and models that changed or are gone,"
        " and what may be stale since the study or an input changed.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        files = list(users_files(maker.graph))
        try:
            stands = _stands(maker, study_file, files)
        except StudyError as error:  # no run could load it
            return dg.SkipReason(f"Nothing is looked at while the study cannot be read: {error}")
        places, now = watched(maker, files)
        before = _seen(home).get(context.cursor or "")
        changed = changes(before["files"] if before else {}, now)
        # While partitions are made one after the other, they are not looked at after each.
        settled = before is not None and before["stands"] == stands != before["looked"]
        looked = stands if before is None or changed or settled else before["looked"]
        context.update_cursor(
            _remember(home, context.cursor, {"files": now, "stands": stands, "looked": looked})
        )
        if not changed and not settled:
            return dg.SkipReason(f"{len(now)} files are what they were.")
        for name in changed:
            context.log.warning(f"{name} changed or is gone: {', '.join(sorted(places[name]))}")
        into = sorted({place for name in changed for place in places[name]})
        return dg.RunRequest(run_config={"ops": {LOOK: {"config": {LOOK_INTO: into}}}})

    return sensor


def users_files(graph: Graph) -> Iterator[tuple[str, Path]]:
    """The user's files that steps read, those of folders listed anew, each with its reader."""
    problems, person = graph.study.problems, graph.study.translation.file
    sources = dict.fromkeys(origin(problems, split)[0] for split in splits(problems))
    found = [path.absolute() for source in sources for path in _files_of(source)]
    for asset, key in graph.all_partitions:
        if graph.step(asset).outside is not None:
            yield from ((label(asset, key), path) for path in found)
            if person is not None and key not in (None, problems.language):
                yield label(asset, key), Path(person).expanduser().absolute()


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


def _stands(maker: Maker, study_file: Path, files: Iterable[tuple[str, Path]]) -> str:
    """A digest of the study as it is now, of what partitions hold and of which files there are.

    Raises StudyError if the study cannot be read.
    """
    return canonical.digest(
        {
            "study": load_study(study_file).model_dump(mode="json"),
            "partitions": {
                label(*key): _content(maker, *key) for key in maker.graph.all_partitions
            },
            "files": sorted({str(path) for _, path in files}),
        }
    )


def _content(maker: Maker, asset: str, partition: str | None) -> str | None:
    try:
        record = maker.store.current(asset, partition)
    except IntegrityError:
        return "damaged"
    return record.content if record else None


def _files_of(source: str) -> list[Path]:
    """The files of a problem source that lies on this machine."""
    path = Path(source).expanduser()
    if is_file(source):
        return [path]
    return data_files(path) if path.is_dir() else []


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


def _remember(home: Home, cursor: str | None, now: Seen) -> str:
    """Keep what was seen, beside what the cursor stands for; the next cursor."""
    name, seen = canonical.digest(now), _seen(home)
    if name not in seen:
        others = [one for one in seen if one != cursor]
        kept = [*others[-(KEPT - 2) :], *([cursor] if cursor in seen else [])]
        looks = {**{one: seen[one] for one in kept}, name: now}
        with told(home.cache, "remember what was looked at"):
            write_atomic(home.cache / SEEN, json.dumps(looks).encode("ascii"))
    return name


def _seen(home: Home) -> dict[str, Seen]:
    """What the last looks saw; nothing if there was none, or it was cut short."""
    file = home.cache / SEEN
    try:
        seen = json.loads(file.read_bytes()) if file.is_file() else {}
    except ValueError:
        return {}
    return seen if isinstance(seen, dict) else {}

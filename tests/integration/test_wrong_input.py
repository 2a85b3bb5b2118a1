"""Wrong input through the command line: a clear message, a non-zero exit, nothing half-written."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mitt_assets.home import open_maker
from tests.commandline import Said, invoke
from tests.conftest import MINIATURE
from tests.disks import make_read_only, small_disk_at

StudyFile = Callable[..., Path]


def run(study: Path, *more: str) -> Said:
    return invoke("run", "--study", str(study), "--jobs", "1", *more)


def refused(result: Said, *words: str) -> None:
    """Exit status 1, all words in the message, no stack trace, nothing left half-written."""
    assert result.exit_code == 1, result.output
    for word in words:
        assert word in result.output, result.output
    assert "Traceback" not in result.output


def nothing_made(home: Path) -> None:
    assert not list(home.rglob("refs/**/*.json"))
    assert not list(home.rglob("*.part"))


def languages(**changes: object) -> dict[str, object]:
    return {**MINIATURE["languages"], **changes}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"probs": {}}, ["probs: no such key", "'probes'"]),
        ({"probes": {"stride": 0}}, ["probes.stride", "found 0", "greater than or equal to 1"]),
        (
            {"languages": {"en": {"name": "English", "level": "high"}}},
            ["languages.en.wait", "required"],
        ),
        (
            {"languages": {"en": {"name": "English", "level": "high", "wait": ""}}},
            ["languages.en.wait", "at least 1 character"],
        ),
        ({"generation": {"temperature": -1}}, ["generation.temperature", "found -1"]),
        ({"variants": {"mitt": {"recipe": {}}}}, ["variants", "base"]),
        (
            {"variants": {"base": {}, "x": {"recipe": {"source_languages": ["fr"]}}}},
            ["variants.x.recipe.source_languages", "'fr'", "declared: de, en, tl"],
        ),
    ],
)
def test_a_wrong_study_is_refused_by_key(
    study_file: StudyFile, own_home: Path, changes: dict[str, object], words: list[str]
) -> None:
    refused(run(study_file(**changes)), *words)
    nothing_made(own_home)


def test_a_study_that_is_not_there(own_home: Path) -> None:
    refused(run(Path("nowhere.yaml")), "nowhere.yaml", "organism")
    nothing_made(own_home)


PROBLEMS = [
    {"id": "a", "answer": 7, "q_en": "What is 3 + 4?", "q_de": "Was ist 3 + 4?"},
    {"id": "b", "answer": 9, "q_en": "What is 4 + 5?", "q_de": "Was ist 4 + 5?"},
]


def own_problems(tmp_path: Path, study_file: StudyFile, rows: list[dict[str, object]]) -> Path:
    """A study over a file of our own."""
    file = tmp_path / "mine.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    both = {code: MINIATURE["languages"][code] for code in ("en", "de")}  # type: ignore[index]
    return study_file(
        languages=both,
        problems={
            "source": str(file),
            "columns": {"id": "id", "question": "q_{language}"},
            "answer": {"low": 0, "high": 60},
        },
        variants={"base": {}},
        statistics={"resamples": 100},
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"answer": None}, ["answer", "mine.jsonl", "2"]),
        ({"answer": 61}, ["answer", "61", "60"]),
        ({"answer": "seven"}, ["answer", "seven"]),
        ({"q_en": "  "}, ["question in en", "mine.jsonl", "2"]),
        ({"q_de": ""}, ["question in de", "mine.jsonl", "2"]),
        ({"id": "a"}, ["'a'", "mine.jsonl"]),
        ({"q_en": PROBLEMS[0]["q_en"]}, ["same"]),
    ],
)
def test_a_wrong_problem_is_refused_by_row_and_field(
    tmp_path: Path,
    study_file: StudyFile,
    own_home: Path,
    change: dict[str, object],
    words: list[str],
) -> None:
    study = own_problems(tmp_path, study_file, [PROBLEMS[0], {**PROBLEMS[1], **change}])
    refused(run(study, "--select", "problems"), *words)
    nothing_made(own_home)


def test_where_nothing_could_be_measured_no_report_is_made(
    tmp_path: Path, study_file: StudyFile
) -> None:
    study = own_problems(tmp_path, study_file, [PROBLEMS[0], {**PROBLEMS[1], "id": ""}])
    result = run(study)
    refused(result, "mine.jsonl, line 2: the id is empty", "6 report(s) not made because nothing")
    assert "is refused" not in result.output
    assert "reports/" not in result.output
    assert "1 failed" in result.output
    assert not [one for one in open_maker(str(study)).store.records() if "reports" in one.asset]


def test_a_report_of_nothing_says_what_it_waits_for(study_file: StudyFile) -> None:
    from mitt_assets.errors import MissingInputError
    from resources.services import StudyServices

    study = study_file()
    maker = open_maker(str(study))
    services = StudyServices(maker.graph.study, maker.scratch, "cpu")
    for asset, partition in (("problems", None), ("translations", "en")):
        maker.make(asset, partition, services, "run")
    words = "waits: nothing was measured.*traces, windows.*mitt run"
    for report in ("reports/drift", "reports/study"):
        with pytest.raises(MissingInputError, match=f"{report} {words}"):
            maker.make(report, None, services, "run")
    refused(run(study, "--select", "reports/drift"), "1 report(s) not made", "mitt run")


def test_a_problem_file_changed_in_place_is_noticed(tmp_path: Path, study_file: StudyFile) -> None:
    study = own_problems(tmp_path, study_file, PROBLEMS)
    assert run(study, "--select", "problems").exit_code == 0
    (tmp_path / "mine.jsonl").write_text(json.dumps(PROBLEMS[0]) + "\n", encoding="utf-8")
    result = invoke("status", "--study", str(study), "--select", "problems", "--json")
    state = json.loads(result.output)["partitions"][0]
    assert state["state"] == "stale"
    assert "mine.jsonl" in state["reasons"][0]


def test_a_missing_upstream_partition_is_named_with_its_command(study_file: StudyFile) -> None:
    from mitt_assets.errors import MissingInputError
    from resources.services import StudyServices

    maker = open_maker(str(study_file()))
    services = StudyServices(maker.graph.study, maker.scratch, "cpu")
    with pytest.raises(MissingInputError) as error:
        maker.make("base/windows", "tl|llama", services, "run")
    assert "base/traces[tl|llama]" in str(error.value)
    assert "mitt run --select base/traces --language tl --model llama" in str(error.value)


@pytest.mark.parametrize("damage", ["truncated", "altered", "absent"])
def test_a_damaged_object_is_refused_and_made_again(study_file: StudyFile, damage: str) -> None:
    from mitt_assets.errors import IntegrityError
    from resources.services import StudyServices

    maker = open_maker(str(study_file()))
    services = StudyServices(maker.graph.study, maker.scratch, "cpu")
    record = maker.make("problems", None, services, "first").record
    path = maker.store.storage.local_path(record.files["table.parquet"])
    assert path is not None
    before = path.read_bytes()
    path.chmod(0o644)
    if damage == "absent":
        path.unlink()
    else:
        changed = before[:-9] if damage == "truncated" else before[:40] + b"\0" + before[41:]
        path.write_bytes(changed)
    with pytest.raises(IntegrityError, match="problems"):
        maker.make("translations", "en", services, "second")
    assert not maker.store.current("translations", "en")
    maker.make("problems", None, services, "third")
    assert path.read_bytes() == before
    maker.make("translations", "en", services, "fourth")


def test_a_damaged_pointer_is_made_again(study_file: StudyFile) -> None:
    from resources.services import StudyServices

    study = study_file()
    maker = open_maker(str(study))
    services = StudyServices(maker.graph.study, maker.scratch, "cpu")
    record = maker.make("problems", None, services, "first").record
    (pointer,) = maker.store.storage.pointers("refs/problems")
    maker.store.storage.write_pointer(pointer, b'{"asset"')
    (reason,) = open_maker(str(study)).reasons("problems", None)
    assert reason.kind == "damaged"
    open_maker(str(study)).make("problems", None, services, "second")
    assert open_maker(str(study)).required("problems", None).content == record.content


def test_a_run_names_the_altered_object_and_how_to_make_it_again(study_file: StudyFile) -> None:
    study = study_file()
    assert run(study, "--select", "problems").exit_code == 0
    maker = open_maker(str(study))
    path = maker.store.storage.local_path(maker.required("problems", None).files["table.parquet"])
    assert path is not None
    altered = path.read_bytes()[:-1]
    path.unlink()
    path.write_bytes(altered)
    refused(run(study, "--select", "translations", "--language", "en"), "problems", "mitt run")


def test_a_tokenizer_without_think_tags_is_refused(tmp_path: Path, study_file: StudyFile) -> None:
    from mitt_assets.organism import checkpoint_path

    folder = tmp_path / "thoughtless"
    folder.mkdir()
    for file in checkpoint_path("llama").iterdir():
        data = file.read_bytes()
        if file.suffix in (".json", ".jinja"):
            data = data.replace(b"<think>", b"<tnihk>").replace(b"</think>", b"</tnihk>")
        (folder / file.name).write_bytes(data)
    study = study_file(models={"llama": {"source": str(folder)}})
    refused(run(study, "--select", "base_model"), "think", "thoughtless")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk_at(tmp_path / "disk", 600) as disk:
        yield disk


def test_a_full_disk_says_so(
    small_disk: Path, study_file: StudyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    (small_disk / "ballast").write_bytes(b"\0" * 590_000)
    monkeypatch.setenv("MITT_HOME", str(small_disk / "home"))
    refused(run(study_file(), "--select", "problems"), str(small_disk), "space")
    nothing_made(small_disk)


def test_a_read_only_home_says_so(
    small_disk: Path, study_file: StudyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_read_only(small_disk)
    monkeypatch.setenv("MITT_HOME", str(small_disk / "home"))
    refused(run(study_file(), "--select", "problems"), str(small_disk), "MITT_HOME")


def test_a_file_where_the_home_should_be(
    tmp_path: Path, study_file: StudyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").write_text("", encoding="utf-8")
    monkeypatch.setenv("MITT_HOME", str(tmp_path / "taken"))
    refused(run(study_file(), "--select", "problems"), "taken", "MITT_HOME")


def test_a_file_size_limit_leaves_nothing_half_written(
    own_home: Path, study_file: StudyFile
) -> None:
    maker = open_maker(str(study_file()))
    code = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "from mitt_assets.home import open_maker\n"
        "from mitt_assets.errors import StorageError\n"
        "from resources.services import StudyServices\n"
        "maker = open_maker(sys.argv[1])\n"
        "services = StudyServices(maker.graph.study, maker.scratch, 'cpu')\n"
        "try:\n    maker.make('problems', None, services, 'run')\n"
        "except StorageError as error:\n    print(error); sys.exit(7)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(study_file())], capture_output=True, text=True, check=False
    )
    assert done.returncode == 7, done.stderr
    assert "limit" in done.stdout
    assert maker.store.current("problems", None) is None
    assert not list(own_home.rglob("*.part"))


def test_a_worker_count_or_limit_of_zero_is_refused(study_file: StudyFile) -> None:
    for option in ("--jobs", "--limit", "--threads"):
        result = invoke("run", "--study", str(study_file()), option, "0")
        assert result.exit_code == 2
        assert option in result.output

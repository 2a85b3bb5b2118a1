"""Staleness in the web interface: per partition, by the field that changed, on changed files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
import yaml

from mitt_assets.asset_specs import key_of
from mitt_assets.dagster_assets import assets_of
from mitt_assets.home import Home, open_maker
from mitt_assets.materialise import Maker
from mitt_assets.up_to_date import JOB, LOOK, LOOK_INTO, NAME, stale_job, up_to_date_checks
from mitt_assets.watched import changed_files
from tests.conftest import MINIATURE

WINDOWS = ("base/windows", "de|llama")


@pytest.fixture
def copied(finished: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The finished study in a home of the test's own."""
    shutil.copytree(finished[0], tmp_path / "copy", symlinks=True)
    monkeypatch.setenv("MITT_HOME", str(tmp_path / "copy"))
    return finished[1]


@pytest.fixture
def maker(copied: Path) -> Maker:
    return open_maker(str(copied))


def damaged(maker: Maker) -> None:
    """A stored object is changed behind the program's back."""
    record = maker.required(*WINDOWS)
    path = maker.store.storage.local_path(record.files["table.parquet"])
    assert path is not None
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"x")


def checked(maker: Maker, asset: str, partition: str | None) -> dg.AssetCheckEvaluation:
    """What the check of one partition says, run alone as from the web interface."""
    tags = {"dagster/partition": partition} if partition else {}
    if partition and "|" in partition:
        language, model = partition.split("|")
        tags |= {"dagster/partition/language": language, "dagster/partition/model": model}
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [assets_of(maker.graph, maker)[asset], up_to_date_checks(maker.graph, maker)[asset]],
            selection=dg.AssetSelection.checks_for_assets(key_of(asset)),
            instance=instance,
            resources={"gpu": dg.ResourceDefinition.none_resource()},
            tags=tags,
        )
    (said,) = result.get_asset_check_evaluations()
    return said


def test_what_is_as_it_should_be_passes(maker: Maker) -> None:
    for task in (
        WINDOWS,
        ("base_model", "llama"),
        ("sentence_encoder", None),
        ("reports/study", None),
    ):
        said = checked(maker, *task)
        assert said.passed, said.description


def test_a_changed_setting_is_a_warning_that_names_it(copied: Path, tmp_path: Path) -> None:
    file = tmp_path / "changed.yaml"
    file.write_text(
        yaml.safe_dump(
            {
                **MINIATURE,
                "windows": {
                    "segments": 4,
                    "rolling": 1,
                    "minimum_words": 3,
                    "candidates": ["en", "de", "tl"],
                },
            }
        )
    )
    maker = open_maker(str(file))
    said = checked(maker, *WINDOWS)
    assert not said.passed
    assert said.severity == dg.AssetCheckSeverity.WARN
    assert said.partition == "de|llama"
    assert said.description == "the study's windows.minimum_words changed: 4 → 3"
    assert checked(maker, "base/traces", "de|llama").passed


def test_it_is_no_part_of_the_gate(maker: Maker) -> None:
    (spec,) = up_to_date_checks(maker.graph, maker)["base/windows"].check_specs
    assert not spec.blocking
    damaged(maker)
    assert not checked(maker, *WINDOWS).passed
    verdict = maker.gate.verdict(maker.required(*WINDOWS))
    assert verdict is not None
    assert not verdict.blocking


def test_one_run_answers_for_every_partition(maker: Maker) -> None:
    damaged(maker)
    config = {"ops": {LOOK: {"config": {LOOK_INTO: ["base/windows[de|llama]"]}}}}
    with dg.DagsterInstance.from_config(str(Home(maker.graph.study).dagster)) as instance:
        job = stale_job(maker.graph, maker)
        assert job.execute_in_process(run_config=config, instance=instance).success
        key = dg.AssetCheckKey(key_of("base/windows"), NAME)
        storage = instance.event_log_storage
        status = {
            one.partition_key: one.latest_execution_status.value
            for one in storage.get_asset_check_partition_info([key])
        }
        assert status == {"de|llama": "FAILED", "en|llama": "SUCCEEDED", "tl|llama": "SUCCEEDED"}
        assert all(one.is_current for one in storage.get_asset_check_partition_info([key]))


def test_a_partition_that_there_is_not_is_refused(maker: Maker) -> None:
    config = {"ops": {LOOK: {"config": {LOOK_INTO: ["base/windows[xx|llama]"]}}}}
    with dg.DagsterInstance.ephemeral() as instance:
        result = stale_job(maker.graph, maker).execute_in_process(
            run_config=config, instance=instance, raise_on_error=False
        )
    (failure,) = [one for one in result.all_events if one.is_step_failure]
    assert "base/windows[xx|llama] is no partition" in str(
        failure.step_failure_data.user_failure_data
    )


class Looks:
    """The sensor's looks one after the other, its cursor kept between them as Dagster does."""

    def __init__(self, study: Path) -> None:
        self.maker, self.cursor = open_maker(str(study)), ""
        job = stale_job(self.maker.graph, self.maker)
        self.sensor = changed_files(self.maker, job, study)
        Home(self.maker.graph.study).prepare()

    def trial(self) -> dg.SensorExecutionData:
        """One that is only tried, as by the web interface's *Test sensor*."""
        with dg.build_sensor_context(cursor=self.cursor) as context:
            return self.sensor.evaluate_tick(context)

    def __call__(self) -> dg.RunRequest | str:
        """What the next look asks for, or why it asks for nothing."""
        said = self.trial()
        self.cursor = said.cursor or self.cursor
        return said.run_requests[0] if said.run_requests else str(said.skip_message)


@pytest.fixture
def look(copied: Path) -> Looks:
    return Looks(copied)


def looked_into(asked: dg.RunRequest | str) -> list[str]:
    assert isinstance(asked, dg.RunRequest)
    return asked.run_config["ops"][LOOK]["config"][LOOK_INTO]


def test_a_changed_or_removed_object_is_noticed_once(maker: Maker, look: Looks) -> None:
    assert "are what they were" in str(look())
    damaged(maker)
    assert looked_into(look()) == ["base/windows[de|llama]"]
    assert "are what they were" in str(look())
    record = maker.required("mitt/adapter", "llama")
    path = maker.store.storage.local_path(record.files["adapter_model.safetensors"])
    assert path is not None
    path.unlink()
    assert looked_into(look()) == ["mitt/adapter[llama]"]


def test_a_look_that_is_only_tried_takes_nothing_from_the_next(maker: Maker, look: Looks) -> None:
    look()
    damaged(maker)
    assert look.trial().run_requests
    assert looked_into(look()) == ["base/windows[de|llama]"]


def test_what_is_made_anew_is_no_damage_but_all_are_looked_at_once(
    maker: Maker, look: Looks
) -> None:
    look()
    record = maker.required(*WINDOWS)
    for table in (b"another table", b"and another"):  # as while a language is made again
        maker.store.commit(record, {"table.parquet": table})
        assert "are what they were" in str(look())
    assert looked_into(look()) == []
    assert "are what they were" in str(look())


def test_a_changed_study_is_looked_at_once_it_can_be_read(study_file: Callable[..., Path]) -> None:
    study = study_file()
    look = Looks(study)
    look()
    study.write_text(yaml.safe_dump({**MINIATURE, "probes": {"tokens": 0}}))
    assert "probes.tokens" in str(look())
    study.write_text(yaml.safe_dump({**MINIATURE, "statistics": {"resamples": 200}}))
    assert "are what they were" in str(look())
    assert looked_into(look()) == []
    assert "are what they were" in str(look())


def test_a_problem_file_that_is_added_is_looked_at(
    study_file: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tmp_path / "problems"
    folder.mkdir()
    (folder / "train.jsonl").write_text('{"question_en": "1 + 1?", "answer": 2}\n')
    problems = {"source": str(folder), "evaluation": {"names": ["train"]}}
    look = Looks(study_file(problems=problems))
    assert "1 files are what they were" in str(look())
    (folder / "more.jsonl").write_text('{"question_en": "1 + 2?", "answer": 3}\n')
    assert "2 files are what they were" in str(look())
    assert looked_into(look()) == []


def test_a_person_s_translations_are_watched_where_they_are(
    study_file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / "person.jsonl"
    row = '{{"problem_id": "x", "language": "tl", "question": "{}"}}\n'
    file.write_text(row.format("Ilan?"))
    look = Looks(study_file(translation={"file": "~/person.jsonl"}))
    assert "1 files are what they were" in str(look())
    file.write_text(row.format("Magkano?"))
    assert looked_into(look()) == ["translations[de]", "translations[tl]"]


def test_a_user_s_own_files_are_watched(study_file: Callable[..., Path], tmp_path: Path) -> None:
    problems, model = tmp_path / "problems.jsonl", tmp_path / "model"
    problems.write_text('{"question_en": "1 + 1?", "answer": 2}\n')
    model.mkdir()
    (model / "config.json").write_text("{}")
    look = Looks(
        study_file(
            problems={"source": str(problems), "evaluation": {"count": 1}},
            models={"llama": {"source": str(model)}},
        )
    )
    assert "2 files are what they were" in str(look())
    problems.write_text('{"question_en": "1 + 2?", "answer": 3}\n')
    assert {"problems", "translations[tl]"} < set(looked_into(look()))
    (model / "config.json").write_text('{"changed": true}')
    assert looked_into(look()) == ["base_model[llama]"]
    assert JOB == stale_job(look.maker.graph, look.maker).name

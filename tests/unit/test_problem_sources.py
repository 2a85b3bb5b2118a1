"""Problem sources: what is read from each kind of source, and what is refused with which words."""

import csv
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import polars as pl
import pytest

from mitt_assets.assets import problems as problems_asset
from mitt_assets.assets import translations as translations_asset
from mitt_assets.errors import DataError, StudyError
from mitt_assets.study import Study
from mitt_assets.study_file import load_study
from mitt_assets.tables import PROBLEMS, TRANSLATIONS
from resources.problem_sources import ProblemSource, SourceProblem, load_all, open_source
from tests.fakes.hub import COMMIT, FakeHub, fake_hub, use_hub

ROWS = [
    {"id": "a", "question_en": "What is 2 + 3?", "question_tl": "Ano ang 2 + 3?", "answer": 5},
    {"id": "b", "question_en": "What is 9 - 2?", "question_tl": "Ano ang 9 - 2?", "answer": "007"},
]


def study(*, translated: bool = False, **problems: Any) -> Study:
    """A study in English and Tagalog with these problem settings; nothing translates by default."""
    machine = {"method": "seq2seq", "source": "some/translator"}
    return Study.model_validate(
        {
            "name": "small",
            "languages": {
                "en": {"name": "English", "level": "high", "wait": "Wait"},
                "tl": {"name": "Tagalog", "level": "low", "wait": "Sandali"},
            },
            "models": {"one": {"source": "organism:llama"}},
            "problems": problems,
            "translation": machine if translated else {},
            "variants": {"base": {}},
        }
    )


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> str:
    """Write the rows and return the path as a study names it."""
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def write_csv(path: Path, rows: list[dict[str, Any]]) -> str:
    """As above."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> str:
    """As above; parquet columns have one type."""
    pl.DataFrame([{**row, "answer": float(row["answer"])} for row in rows]).write_parquet(path)
    return str(path)


def refused(settings: Study, *words: str, error: type[Exception] = DataError) -> None:
    """Loading the evaluation split fails, and the message holds all these words."""
    with pytest.raises(error) as caught:
        load_all(open_source(settings), settings.problems)
    for word in words:
        assert word in str(caught.value)


class TestOrganism:
    def test_the_default_study_has_its_three_splits_in_all_languages(self) -> None:
        settings = load_study("organism")
        loaded = load_all(open_source(settings), settings.problems)
        assert {name: len(rows) for name, rows in loaded.items()} == {
            "evaluation": 120,
            "development": 60,
            "training": 96,
        }
        first = loaded["evaluation"][0]
        assert set(first.questions) == set(settings.languages)
        assert first.row == "0"

    def test_a_count_is_required(self) -> None:
        refused(study(), "problems.evaluation.count", "how many", error=StudyError)

    def test_its_answers_must_fit_the_studys_range(self) -> None:
        settings = study(answer={"high": 3}, evaluation={"count": 50})
        refused(settings, "organism, evaluation problem", "from 0 to 3", "widen problems.answer")

    def test_a_language_it_does_not_speak_is_named(self) -> None:
        raw = study(evaluation={"count": 2}).model_dump()
        raw["languages"]["fr"] = raw["languages"]["en"]
        refused(Study.model_validate(raw), "no question in fr", "en, it, de, pt, vi, tl")

    def test_hub_settings_are_refused_rather_than_ignored(self) -> None:
        names = study(evaluation={"count": 2, "names": ["test"]})
        refused(names, "problems.evaluation.names", error=StudyError)
        refused(study(revision="abc", evaluation={"count": 2}), "revision", error=StudyError)


class TestFiles:
    @pytest.mark.parametrize(
        ("name", "write"),
        [("p.jsonl", write_jsonl), ("p.csv", write_csv), ("p.parquet", write_parquet)],
    )
    def test_every_format_gives_the_same_problems(
        self, tmp_path: Path, name: str, write: Callable[[Path, list[dict[str, Any]]], str]
    ) -> None:
        source = write(tmp_path / name, ROWS)
        found = open_source(study(source=source, columns={"id": "id"})).load("evaluation")
        assert [(one.row, one.answer) for one in found] == [("a", "5"), ("b", "7")]
        assert found[1].questions == {"en": "What is 9 - 2?", "tl": "Ano ang 9 - 2?"}

    def test_a_relative_path_is_relative_to_the_current_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_jsonl(tmp_path / "p.jsonl", ROWS)
        monkeypatch.chdir(tmp_path)
        assert len(open_source(study(source="p.jsonl")).load("evaluation")) == 2

    def test_rows_are_numbered_without_an_id_column(self, tmp_path: Path) -> None:
        source = write_jsonl(tmp_path / "p.jsonl", ROWS)
        assert [one.row for one in open_source(study(source=source)).load("evaluation")] == [
            "1",
            "2",
        ]

    def test_the_count_limits_and_later_rows_are_not_judged(self, tmp_path: Path) -> None:
        source = write_jsonl(tmp_path / "p.jsonl", [*ROWS, {**ROWS[0], "answer": None}])
        limited = study(source=source, evaluation={"count": 2})
        assert len(open_source(limited).load("evaluation")) == 2
        too_many = study(source=source, evaluation={"count": 9})
        refused(too_many, "it has 3 problems", "asks for 9", "lower the count")

    def test_a_split_may_have_its_own_file(self, tmp_path: Path) -> None:
        first = write_jsonl(tmp_path / "test.jsonl", ROWS[:1])
        second = write_jsonl(tmp_path / "train.jsonl", ROWS[1:])
        settings = study(source=first, training={"source": second})
        loaded = load_all(open_source(settings), settings.problems)
        assert {name: rows[0].answer for name, rows in loaded.items()} == {
            "evaluation": "5",
            "training": "7",
        }

    def test_an_unknown_split_is_a_mistake_in_the_study(self, tmp_path: Path) -> None:
        source = write_jsonl(tmp_path / "p.jsonl", ROWS)
        with pytest.raises(StudyError, match=r"problems\.training: the study has no such split"):
            open_source(study(source=source)).load("training")

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"answer": None}, ("line 2", "no answer", "an integer from 0 to 999")),
            ({"answer": " "}, ("line 2", "no answer")),
            ({"answer": 1000}, ("line 2", "the answer is 1000", "widen problems.answer")),
            ({"answer": -1}, ("line 2", "the answer is -1")),
            ({"answer": "seven"}, ("line 2", "the answer is 'seven'", "integer")),
            ({"answer": 2.5}, ("line 2", "the answer is 2.5")),
            ({"answer": True}, ("line 2", "the answer is True")),
            ({"question_en": " "}, ("line 2", "question in en is empty", "remove the row")),
            ({"question_tl": None}, ("line 2", "question in tl is empty")),
            ({"question_tl": 7}, ("line 2", "question in tl is 7, not text")),
            ({"question_tl": "\ud800"}, ("line 2", "lone surrogate")),
            ({"question_tl": " \u200b\ufeff"}, ("line 2", "question in tl is empty")),
            ({"question_en": "a\0"}, ("line 2", "question in en holds", "character U+0000")),
            ({"question_tl": "\x1b[1m"}, ("line 2", "question in tl holds", "U+001B")),
            ({"question_en": "\beta"}, ("line 2", "U+0008", "a backslash of LaTeX")),
            ({"id": "a"}, ("line 2", "the id 'a' is already that of", "line 1")),
            ({"id": None}, ("line 2", "the id is empty")),
            ({"id": "\ud800"}, ("line 2", "the id '\\ud800'", "lone surrogate")),
            ({"answer": "12.50"}, ("line 2", "the answer is '12.50'")),
            ({"answer": "12.000"}, ("line 2", "the answer is '12.000'")),
            ({"question_en": "WHAT is\n2 + 3?"}, ("problem b", "problem a", "equal question text")),
        ],
    )
    def test_a_bad_row_is_refused_with_its_place(
        self, tmp_path: Path, change: dict[str, Any], words: tuple[str, ...]
    ) -> None:
        path = tmp_path / "p.jsonl"
        rows = [ROWS[0], {**ROWS[1], **change}]
        path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
        refused(study(source=str(path), columns={"id": "id"}), str(path), *words)

    def test_a_problem_may_not_be_in_two_splits(self, tmp_path: Path) -> None:
        first = write_jsonl(tmp_path / "test.jsonl", ROWS)
        second = write_jsonl(tmp_path / "train.jsonl", ROWS[1:])
        settings = study(source=first, training={"source": second})
        refused(settings, first, second, "problems.training", "problems.evaluation", "Remove one")

    def test_a_missing_column_names_the_columns_there_are(self, tmp_path: Path) -> None:
        source = write_csv(tmp_path / "p.csv", [{"question_en": "1 + 1?", "answer": 2}])
        refused(study(source=source), "no question in tl", "'question_tl'", "question_en, answer")
        columns = {"question": "question_en", "answer": "gold"}
        refused(study(source=source, columns=columns), "{language}", error=StudyError)
        rows = write_csv(tmp_path / "q.csv", ROWS)
        refused(study(source=rows, columns={"answer": "gold"}), "'gold'", "problems.columns.answer")
        refused(study(source=rows, columns={"id": "key"}), "'key'", "problems.columns.id")

    def test_events_are_the_organisms_rule(self, tmp_path: Path) -> None:
        source = write_jsonl(tmp_path / "p.jsonl", ROWS)
        refused(study(source=source, duplicates="events"), "needs 'question'", error=StudyError)

    @pytest.mark.parametrize(
        ("name", "data", "words"),
        [
            ("p.jsonl", b"", ("is empty",)),
            ("p.csv", b"question_en,question_tl,answer\n", ("no problems in it",)),
            ("p.jsonl", b'{"answer": 1}\n{"answer": \n', ("line 2", "not a line of JSON")),
            ("p.jsonl", b"[1, 2]\n", ("line 1", "found list", "one JSON object per line")),
            ("p.jsonl", b'{"a": 1}\n{"a": "\xe9"}', ("line 2", "not UTF-8", "0xe9", "iconv")),
            ("p.csv", b"a,b\n1,2,3\n", ("line 2", "3 fields under 2 columns")),
            ("p.csv", b'a,b\n"1"x,2\n', ("line 2", "not CSV")),
            ("p.csv", b"question_en,answer,answer\na,1,2\n", ("line 1", "'answer' is there twice")),
            (
                "p.csv",
                b'question_en,answer\na,1\n"b' + b",2\n" * 70_000,
                ("a field of more than 131,072 characters", "close the double quote"),
            ),
            (
                "p.jsonl",
                b'{"question_en": "a", "answer": 1}\n{"answer": 2, "b": 0, "answer": 3}',
                ("line 2", "field 'answer' is there twice", "remove the other"),
            ),
            ("p.jsonl", b'{"a": ' + b"[" * 100_000, ("line 1", "not a line of JSON")),
            ("p.parquet", b"PAR1 no", ("not a readable parquet file",)),
            ("p.json", b"[]", (".jsonl, .csv, .parquet", "convert")),
            ("p.xlsx", b"PK", (".jsonl, .csv, .parquet", "convert")),
        ],
    )
    def test_a_bad_file_is_refused_with_its_place(
        self, tmp_path: Path, name: str, data: bytes, words: tuple[str, ...]
    ) -> None:
        (tmp_path / name).write_bytes(data)
        refused(study(source=str(tmp_path / name)), str(tmp_path / name), *words)

    def test_a_parquet_file_that_the_library_dies_of_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def panic(path: Path) -> None:
            raise pl.exceptions.PanicException("assertion failed: range.end <= self.size")

        source = write_parquet(tmp_path / "p.parquet", ROWS)
        monkeypatch.setattr(pl, "read_parquet", panic)
        refused(study(source=source), source, "not a readable parquet file")

    def test_a_whole_number_may_be_written_with_its_point(self, tmp_path: Path) -> None:
        floats = [{**row, "answer": f"{row['answer']}.0"} for row in ROWS]
        source = write_csv(tmp_path / "P.CSV", floats)
        found = open_source(study(source=source)).load("evaluation")
        assert [one.answer for one in found] == ["5", "7"]

    def test_a_missing_file_says_where_it_was_looked_for(self) -> None:
        refused(study(source="nowhere/p.csv"), "nowhere/p.csv", str(Path.cwd()))

    @pytest.mark.parametrize("name", ["pipe", "pipe.jsonl"])
    def test_a_pipe_is_no_plain_file(self, tmp_path: Path, name: str) -> None:
        os.mkfifo(tmp_path / name)
        refused(study(source=str(tmp_path / name)), str(tmp_path / name), "no plain file")

    @pytest.mark.parametrize("name", ["set", "set.jsonl"])
    def test_a_folder_without_data_files_is_said_to_be_one(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).mkdir()
        (tmp_path / name / "README.md").write_text("A set to be.", encoding="utf-8")
        refused(study(source=str(tmp_path / name)), name, "a folder without data files")

    def test_a_byte_order_mark_is_no_part_of_the_first_column(self, tmp_path: Path) -> None:
        path = tmp_path / "p.csv"
        path.write_text("question_en,question_tl,answer\nA?,B?,1\n", encoding="utf-8-sig")
        assert open_source(study(source=str(path))).load("evaluation")[0].questions["en"] == "A?"


class TestHub:
    """On folders, which the library reads through the same call as a hub id."""

    @pytest.fixture(autouse=True)
    def _own_cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import datasets

        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")

    @pytest.fixture
    def columns_set(self, tmp_path: Path) -> str:
        """A set with one column per language and two splits."""
        folder = tmp_path / "set"
        folder.mkdir()
        write_jsonl(folder / "test.jsonl", ROWS)
        write_jsonl(folder / "train.jsonl", [{**ROWS[0], "question_en": "1+1", "id": "c"}])
        return str(folder)

    def configs_set(self, folder: Path, tagalog: list[dict[str, Any]]) -> str:
        """A set with one configuration per language."""
        folder.mkdir()
        english = [{"n": r["id"], "problem": r["question_en"], "answer": 5} for r in ROWS]
        write_jsonl(folder / "english.jsonl", english)
        write_jsonl(folder / "tagalog.jsonl", tagalog)
        (folder / "README.md").write_text(
            "---\nconfigs:\n"
            "- {config_name: english, data_files: english.jsonl}\n"
            "- {config_name: tagalog, data_files: tagalog.jsonl}\n---\n",
            encoding="utf-8",
        )
        return str(folder)

    COLUMNS = {"id": "n", "question": "problem", "configs": {"en": "english", "tl": "tagalog"}}

    def test_one_column_per_language(self, columns_set: str) -> None:
        settings = study(source=columns_set, columns={"id": "id"}, evaluation={"names": ["test"]})
        found = open_source(settings).load("evaluation")
        assert [(one.row, one.answer, one.questions["tl"]) for one in found] == [
            ("a", "5", "Ano ang 2 + 3?"),
            ("b", "7", "Ano ang 9 - 2?"),
        ]

    def test_splits_are_joined_in_order_and_their_ids_kept_apart(self, columns_set: str) -> None:
        settings = study(source=columns_set, evaluation={"names": ["train", "test"]})
        found = open_source(settings).load("evaluation")
        assert [one.row for one in found] == ["train/1", "test/1", "test/2"]

    def test_one_configuration_per_language_is_joined_by_id(self, tmp_path: Path) -> None:
        tagalog = [{"n": r["id"], "problem": r["question_tl"], "answer": 5} for r in ROWS[::-1]]
        source = self.configs_set(tmp_path / "set", tagalog)
        found = open_source(study(source=source, columns=self.COLUMNS)).load("evaluation")
        assert [one.questions["tl"] for one in found] == ["Ano ang 2 + 3?", "Ano ang 9 - 2?"]

    def test_configurations_that_are_not_parallel_are_refused(self, tmp_path: Path) -> None:
        other = [{"n": r["id"], "problem": r["question_tl"], "answer": 6} for r in ROWS]
        source = self.configs_set(tmp_path / "other", other)
        refused(study(source=source, columns=self.COLUMNS), "row a", "6", "not the same problem")
        source = self.configs_set(tmp_path / "short", [{**other[0], "answer": 5}])
        refused(study(source=source, columns=self.COLUMNS), "row b", "'tagalog' has no such row")
        more = [{**row, "answer": 5} for row in other] + [{"n": "c", "problem": "?", "answer": 5}]
        source = self.configs_set(tmp_path / "long", more)
        refused(study(source=source, columns=self.COLUMNS), "row c", "2 rows in 'english', 3 in")

    def test_a_language_without_configuration_is_named(self) -> None:
        columns = {**self.COLUMNS, "configs": {"en": "english"}}
        wrong = study(source="some/set", columns=columns)
        refused(wrong, "no question in tl", "names en", "translation.method", error=StudyError)

    def test_a_language_the_set_lacks_is_left_to_translation(self, tmp_path: Path) -> None:
        source = self.configs_set(tmp_path / "set", [])
        columns = {**self.COLUMNS, "configs": {"en": "english"}}
        found = open_source(study(translated=True, source=source, columns=columns))
        assert [set(one.questions) for one in found.load("evaluation")] == [{"en"}, {"en"}]

    def test_the_sets_own_language_cannot_be_lacking(self) -> None:
        columns = {**self.COLUMNS, "configs": {"tl": "tagalog"}}
        wrong = study(translated=True, source="some/set", columns=columns)
        refused(wrong, "no question in en", "problems.language", error=StudyError)

    def test_splits_and_configurations_that_are_not_there(self, columns_set: str) -> None:
        refused(study(source=columns_set), "train, test", "say which", error=StudyError)
        wrong = study(source=columns_set, evaluation={"names": ["dev"]})
        refused(wrong, columns_set, "no split dev", "train, test", "problems.evaluation.names")
        columns = {"configs": {"en": "x", "tl": "x"}}
        refused(study(source=columns_set, columns=columns), "configuration x", "columns.configs")

    def test_values_of_several_types_in_a_column_are_refused(self, tmp_path: Path) -> None:
        folder = tmp_path / "set"
        folder.mkdir()
        for number, answer in enumerate((5, [5])):
            row = {**ROWS[number], "answer": answer}
            pl.DataFrame([row]).write_parquet(folder / f"test-0000{number}-of-00002.parquet")
        refused(study(source=str(folder)), str(folder), "cannot be read", "list<")

    def test_a_shard_that_the_others_promise_is_missed(self, tmp_path: Path) -> None:
        (tmp_path / "set").mkdir()
        write_parquet(tmp_path / "set" / "test-00000-of-00002.parquet", ROWS)
        refused(study(source=str(tmp_path / "set")), "test-00001-of-00002.parquet is missing")

    def test_training_problems_may_do_without_answers_and_have_columns_of_their_own(
        self, tmp_path: Path, columns_set: str
    ) -> None:
        (tmp_path / "own").mkdir()
        write_jsonl(tmp_path / "own" / "train.jsonl", [{"question": "Prove it.", "solution": "…"}])
        training = {
            "source": f"{tmp_path}/own",
            "columns": {"question": "question", "answer": None},
        }
        settings = study(
            translated=True, source=columns_set, evaluation={"names": ["test"]}, training=training
        )
        loaded = load_all(open_source(settings), settings.problems)
        assert [(one.answer, one.questions) for one in loaded["training"]] == [
            ("", {"en": "Prove it."})
        ]
        assert len(loaded["evaluation"]) == 2
        unscored = study(source=columns_set, columns={"answer": None})
        refused(unscored, "problems.columns.answer", "scored", error=StudyError)


class TestHubIds:
    """The layouts of the paper's sets, from a hub on loopback."""

    LANGUAGES: ClassVar = {"en": "english", "tl": "tagalog"}

    @pytest.fixture
    def hub(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
        with fake_hub() as served:
            use_hub(monkeypatch, tmp_path / ".cache" / "hub", served.address)
            yield served

    @pytest.fixture
    def config_per_language(self, tmp_path: Path, hub: FakeHub) -> str:
        """As fedric95/AIME2025-Multilingual: two splits, ids that begin again in each."""
        folder = tmp_path / "aime"
        card = ["---", "configs:"]
        for code, name in self.LANGUAGES.items():
            (folder / name).mkdir(parents=True)
            card += [f"- config_name: {name}", "  data_files:"]
            for number, split in enumerate(("part_I", "part_II")):
                rows = [
                    {"id": 1, "problem": f"{number} + {n}? ({code})", "answer": number + n}
                    for n in range(1)
                ]
                pl.DataFrame(rows).write_parquet(folder / name / f"{split}.parquet")
                card += [f"  - split: {split}", f"    path: {name}/{split}.parquet"]
        (folder / "README.md").write_text("\n".join([*card, "---", ""]), encoding="utf-8")
        (folder / "aime.py").write_text("raise SystemExit('code of the set')", encoding="utf-8")
        hub.repositories[("dataset", "a/aime")] = folder
        return "a/aime"

    def settings(self, source: str, revision: str | None = COMMIT) -> Study:
        return study(
            source=source,
            revision=revision,
            columns={"id": "id", "question": "problem", "configs": self.LANGUAGES},
            evaluation={"names": ["part_I", "part_II"]},
        )

    def test_a_configuration_per_language_with_several_splits(
        self, config_per_language: str
    ) -> None:
        source = open_source(self.settings(config_per_language))
        found = source.load("evaluation")
        assert [(one.row, one.answer) for one in found] == [("part_I/1", "0"), ("part_II/1", "1")]
        assert found[1].questions == {"en": "1 + 0? (en)", "tl": "1 + 0? (tl)"}
        assert source.version("evaluation") == COMMIT

    def test_a_pinned_set_is_read_offline_and_without_asking(
        self,
        config_per_language: str,
        hub: FakeHub,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        settings = self.settings(config_per_language)
        before = open_source(settings).load("evaluation")
        assert not any(path.endswith(".py") for path in hub.requests), "code is never fetched"
        hub.requests.clear()
        assert open_source(settings).load("evaluation") == before
        assert hub.requests == []
        use_hub(monkeypatch, tmp_path / ".cache" / "hub", None)
        assert open_source(settings).load("evaluation") == before
        other = self.settings(config_per_language, "f" * 40)
        refused(other, "a/aime@ffff", "not whole in the local cache", "hf download a/aime")

    def test_an_unpinned_set_is_one_commit_for_all_its_splits_and_recorded(
        self, config_per_language: str, hub: FakeHub
    ) -> None:
        settings = self.settings(config_per_language, None)
        source = open_source(settings)
        services = SimpleNamespace(problem_source=lambda: source)
        work: Any = SimpleNamespace(study=settings, services=services)
        made = problems_asset.make(work)
        assert list(made.materials) == [f"a/aime@{COMMIT} (evaluation)"]
        asked = [path for path in hub.requests if "/revision/main" in path]
        assert len(asked) == 1

    def test_a_column_per_language(self, tmp_path: Path, hub: FakeHub) -> None:
        """As amphora/MCLM: a configuration with one column per language code, split test."""
        folder = tmp_path / "mclm"
        (folder / "data").mkdir(parents=True)
        rows = [{"en": "What is 1 + 1?", "tl": "Ano ang 1 + 1?", "fr": "1 + 1 ?", "answer": 2.0}]
        pl.DataFrame(rows).write_parquet(folder / "data" / "test-00000-of-00001.parquet")
        hub.repositories[("dataset", "a/mclm")] = folder
        settings = study(
            source="a/mclm",
            revision=COMMIT,
            columns={"question": "{language}"},
            evaluation={"names": ["test"]},
        )
        (one,) = open_source(settings).load("evaluation")
        assert (one.answer, one.questions["tl"]) == ("2", "Ano ang 1 + 1?")

    def test_what_cannot_be_had_says_what_to_do(self, hub: FakeHub) -> None:
        hub.gated.add("a/gated")
        refused(study(source="a/gated"), "problems.evaluation", "gated", "hf auth login")
        refused(study(source="a/none"), "a/none", "does not exist, or not for you")
        refused(study(source="no folder"), "'no folder' is no file or folder here and no hub id")


class ListedProblems(ProblemSource):
    """A fake that gives what it was given."""

    def __init__(self, **listed: list[SourceProblem]) -> None:
        self._listed = listed

    def load(self, split: str) -> list[SourceProblem]:
        return self._listed[split]


def listed(row: str, text: str) -> SourceProblem:
    """A problem whose answer is 1."""
    return SourceProblem(row, "1", {"en": text, "tl": f"{text} (tl)"}, text)


class TestAssets:
    def work(self, source: ProblemSource, **more: Any) -> Any:
        """As much of a Work as these two steps use."""
        services = SimpleNamespace(problem_source=lambda: source)
        return SimpleNamespace(study=study(training={}), services=services, **more)

    def test_problems_and_translations_hold_every_split(self) -> None:
        source = ListedProblems(evaluation=[listed("1", "A?")], training=[listed("1", "B?")])
        made = problems_asset.make(self.work(source)).frame
        assert made is not None
        assert dict(made.schema) == PROBLEMS.schema()
        assert made["split"].to_list() == ["evaluation", "training"]
        assert made["problem_id"].n_unique() == 2
        for language, text, method in (("tl", "A? (tl)", "parallel"), ("en", "A?", "original")):
            work = self.work(source, own={"language": language}, table=lambda _: made)
            frame = translations_asset.make(work).frame
            assert frame is not None
            assert dict(frame.schema) == TRANSLATIONS.schema()
            assert frame.row(0, named=True)["question"] == text
            assert set(frame["method"]) == {method}
            assert frame["problem_id"].to_list() == made["problem_id"].to_list()

    @pytest.mark.parametrize("place", ["mine.jsonl", "set"])
    def test_a_file_or_folder_changed_in_place_is_noticed(self, tmp_path: Path, place: str) -> None:
        (tmp_path / "set").mkdir()
        source, file = tmp_path / place, tmp_path / ("set/test.jsonl" if place == "set" else place)
        write_jsonl(file, ROWS)
        before = problems_asset.files_read(study(source=str(source)), {})
        assert list(before) == [f"file {file}"]
        write_jsonl(file, ROWS[:1])
        assert problems_asset.files_read(study(source=str(source)), {}) != before

    def test_a_problem_keeps_its_id_when_its_text_is_mended(self) -> None:
        before = problems_asset.make(self.work(self.one("A?"))).frame
        after = problems_asset.make(self.work(self.one("B?"))).frame
        assert before is not None
        assert after is not None
        assert before["problem_id"].to_list() == after["problem_id"].to_list()

    def test_a_source_that_changed_underneath_is_refused(self) -> None:
        made = problems_asset.make(self.work(self.one("A?"))).frame
        work = self.work(self.one("B?"), own={"language": "tl"}, table=lambda _: made)
        with pytest.raises(DataError, match="problem 1 is not what it was"):
            translations_asset.make(work)

    @staticmethod
    def one(text: str) -> ListedProblems:
        """A set of one evaluation problem."""
        return ListedProblems(evaluation=[listed("1", text)], training=[])

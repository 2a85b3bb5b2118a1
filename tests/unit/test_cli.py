"""The command line: help without heavy imports, errors in a paragraph, study files that run."""

import os
import pwd
import socket
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mitt_assets import cli
from mitt_assets.commands import ui
from mitt_assets.costs.amounts import traces_of
from mitt_assets.errors import StorageError, StudyError
from mitt_assets.home import Home
from mitt_assets.study_file import load_study, parse

MITT = [sys.executable, "-c", "from mitt_assets.cli import main; main()"]


def call(*arguments: str) -> str:
    """What a command prints; it must succeed."""
    result = CliRunner().invoke(cli.mitt, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run(
        [*MITT, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **settings},
        timeout=120,
    )


def test_the_help_lists_every_command_without_importing_one() -> None:
    code = (
        "import sys; from click.testing import CliRunner\n"
        "from mitt_assets.cli import mitt, COMMANDS\n"
        "text = CliRunner().invoke(mitt, ['--help']).output\n"
        "assert all(f'\\n  {name} ' in text for name in COMMANDS), text\n"
        "slow = ('mitt_assets.commands', 'dagster', 'polars', 'pydantic', 'rich', 'yaml')\n"
        "bad = [name for name in sys.modules if name.startswith(slow)]\n"
        "assert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_command_teaches_with_an_example(name: str) -> None:
    help_text = call(name, "--help")
    assert f"mitt {name}" in help_text.partition("Usage:")[2].partition("\n")[2]


def test_an_unknown_command_names_those_there_are() -> None:
    result = CliRunner().invoke(cli.mitt, ["stduy"])
    assert result.exit_code == 2
    assert "there are: study, run, status" in result.output


@pytest.mark.parametrize("option", ["--jobs", "--threads"])
def test_no_more_processes_or_threads_than_a_machine_survives(option: str) -> None:
    result = CliRunner().invoke(cli.mitt, ["run", option, "99999"])
    assert result.exit_code == 2
    assert "99999 is not in the range 1<=x<=256" in result.output


class TestErrors:
    def test_a_users_error_is_a_message_and_no_trace(self) -> None:
        done = run("study", "show", "nowhere.yaml")
        assert done.returncode == 1
        assert done.stdout == ""
        assert "there is no study 'nowhere.yaml'" in done.stderr
        assert "Traceback" not in done.stderr

    def test_the_trace_is_there_when_asked_for(self) -> None:
        done = run("study", "show", "nowhere.yaml", MITT_TRACE="1")
        assert done.returncode == 1
        assert "Traceback" in done.stderr

    @pytest.mark.parametrize(
        ("error", "code"), [(KeyboardInterrupt, 130), (click.Abort, 130), (StudyError("no"), 1)]
    )
    def test_exit_codes(
        self, monkeypatch: pytest.MonkeyPatch, error: type[BaseException], code: int
    ) -> None:
        def failing(**_: object) -> None:
            raise error

        monkeypatch.setattr(cli, "mitt", failing)
        monkeypatch.setattr(cli, "end_at_once", lambda: None)
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        assert stopped.value.code == code

    def test_a_closed_pipe_is_silent(self) -> None:
        command = " ".join([sys.executable, "-c", f"'{MITT[2]}'", "study show paper", "| head -1"])
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
        assert done.stdout.startswith("name: paper")
        assert done.stderr == ""

    @pytest.mark.parametrize("command", ["--help", "study show paper", "status --study organism"])
    def test_a_full_disk_under_the_output_is_one_line(self, command: str) -> None:
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run(
                [*MITT, *command.split()],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                timeout=120,
            )
        assert done.returncode == 1
        [line] = done.stderr.splitlines()
        assert line.startswith("Error: cannot write the output: [Errno 28] No space left")


class TestAccept:
    @pytest.fixture(autouse=True)
    def nameless(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MITT_HOME", str(tmp_path))
        for name in ("USER", "LOGNAME", "LNAME", "USERNAME"):
            monkeypatch.delenv(name, raising=False)

    def test_who_is_logged_in_accepts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LOGNAME", "ann")
        said = CliRunner().invoke(cli.mitt, ["accept", "--reason", "known"])
        assert "nothing of the selection" in said.output

    def test_a_user_without_a_name_is_asked_for_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def unknown(number: int) -> None:
            raise KeyError(f"uid not found: {number}")

        monkeypatch.setattr(pwd, "getpwuid", unknown)
        said = CliRunner().invoke(cli.mitt, ["accept", "--reason", "known"])
        assert said.exit_code == 2
        assert "give it: --by NAME" in said.output


class TestStudy:
    def test_a_new_study_is_valid_and_says_what_it_would_make(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert "Wrote mine.yaml" in call("study", "new", "mine")
        text = call("study", "validate", "mine.yaml")
        assert "Problems for evaluation: 40, in en, tl." in text
        assert "Problems for training: 48, in en, tl." in text
        assert "320 for evaluation, 48 to train on" in text
        assert "generation.samples = 2" in text
        assert "The study is valid." in text

    def test_a_file_that_exists_is_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.yaml"
        path.write_text("mine", encoding="utf-8")
        with pytest.raises(StudyError, match="exists already"):
            call("study", "new", str(path))
        assert path.read_text(encoding="utf-8") == "mine"

    def test_a_name_that_no_study_may_have_is_refused_before_writing(self, tmp_path: Path) -> None:
        with pytest.raises(StudyError, match="name: found 'My Study'"):
            call("study", "new", str(tmp_path / "My Study.yaml"))
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("name", ["", ".", "/"])
    def test_a_new_study_needs_a_name(self, name: str) -> None:
        with pytest.raises(StudyError, match="names no study; give a name"):
            call("study", "new", name)

    @pytest.mark.parametrize("options", [(), ("--changed",)])
    def test_what_show_prints_is_the_same_study(self, options: tuple[str, ...]) -> None:
        assert parse(call("study", "show", "organism", *options)) == load_study("organism")

    def test_show_tells_what_is_assumed(self) -> None:
        assert "#   generation.samples = 8: the paper's number is unknown" in call(
            "study", "show", "paper"
        )

    def test_the_environment_chooses_the_study(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MITT_STUDY", "paper")
        assert call("study", "show").startswith("name: paper")
        assert call("study", "show", "--study", "organism").startswith("name: organism")

    def test_validate_finds_what_is_wrong_with_the_problems(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        call("study", "new", "mine")
        text = Path("mine.yaml").read_text(encoding="utf-8")
        Path("mine.yaml").write_text(text.replace("high: 60", "high: 3"), encoding="utf-8")
        done = run("study", "validate", "mine.yaml")
        assert done.returncode == 1
        assert "from 0 to 3" in done.stderr

    def test_traces_are_counted_as_the_steps_make_them(self) -> None:
        study = load_study("organism")
        recipe = study.variants["mitt"].recipe
        assert recipe is not None
        counts = {"evaluation": 120, "training": recipe.problems or 50}
        # 120 x 2 samples x 4 models x 6 languages x 6 variants; mitt, mitt_source and
        # english_full_trace train on English traces, own_prefix on those of six languages.
        assert traces_of(study, counts) == (34_560, counts["training"] * 4 * (1 + 1 + 1 + 6))


class TestPrompt:
    def test_it_prints_the_text_and_every_token_of_it(self) -> None:
        text = call("prompt", "--study", "organism", "--language", "tl", "--problem", "2")
        assert "organism: problem 2 (1), answer 15" in text
        assert "model llama (organism:llama), language tl" in text
        assert "<think>\n" in text
        assert 'wait, instead of </think>: "Sandali"' in text
        assert 'probe suffix: "</think>\\n\\n\\\\boxed{"' in text

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (("--language", "fr"), "no language 'fr' in this study; there are en, it"),
            (("--model", "gpt"), "no model 'gpt' in this study; there are llama"),
            (("--problem", "121"), "no evaluation problem 121; there are 120"),
        ],
    )
    def test_what_the_study_does_not_have_is_named(
        self, options: tuple[str, str], words: str
    ) -> None:
        with pytest.raises(StudyError, match=words):
            call("prompt", "--study", "organism", *options)


class TestUI:
    def test_a_taken_port_is_said_before_anything_starts(self) -> None:
        with socket.create_server((ui.ADDRESS, 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(StorageError, match=f"port {port} .*in use.*--port {port + 10}"):
                call("ui", "--study", "organism", "--port", str(port))

    def test_one_home_is_shown_once(self) -> None:
        home = Home(load_study("organism"))
        home.dagster.mkdir(parents=True)
        lock = home.hold()
        with pytest.raises(StorageError, match="shows .* already"):
            home.hold()
        os.close(lock)
        os.close(home.hold())

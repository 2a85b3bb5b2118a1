"""The shape of the code: which way imports go, and what nothing imports until it must."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from mitt_assets import cli

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
HEAVY = SETTINGS["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-module-level-imports"]


def loaded_by(statement: str) -> set[str]:
    """The top-level packages in memory after a statement in a fresh process."""
    code = f"import sys\n{statement}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_definitions_load_without_any_heavy_package(tmp_path: Path) -> None:
    home = f"import os; os.environ['MITT_HOME'] = {str(tmp_path)!r}"
    assert loaded_by(f"{home}; import mitt_assets.definitions").isdisjoint(HEAVY)


def test_the_commands_load_without_any_heavy_package_or_dagster() -> None:
    modules = ", ".join(where.partition(":")[0] for where, _ in cli.COMMANDS.values())
    assert loaded_by(f"import {modules}").isdisjoint({*HEAVY, "dagster", "polars"})


def test_data_flows_one_way() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [program, "--no-logo"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("package", ["mitt_assets", "resources", "checks"])
def test_every_folder_of_modules_is_a_package(package: str) -> None:
    """A folder without __init__.py is imported from the checkout and missing from the wheel."""
    folders = {path.parent for path in (ROOT / package).rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_what_the_modules_read_beside_them_is_in_the_wheel() -> None:
    shipped = {
        path
        for package, patterns in SETTINGS["tool"]["setuptools"]["package-data"].items()
        for pattern in patterns
        for path in (ROOT / package.replace(".", "/")).glob(pattern)
    }
    beside = {
        path
        for package in ("mitt_assets", "resources", "checks")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc", ".md", ".typed")
    }
    assert beside - shipped == set()

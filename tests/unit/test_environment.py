import ast
import subprocess
import sys
import textwrap

import pytest

from mitt_assets.lineage import canonical, environment

CODE = '''
"""What it is."""
import os

def f(a, *, b=1.5):
    """What it does."""
    return f"{a!r:>{b}}" if a else "é"  # why

class C:
    """A thing."""
    x: int = 1
'''
SAME = """
import os
def f(a, *,
      b=1.5):

    return (f"{a!r:>{b}}" if a
            else 'é')
class C:
    x: int = 1
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package on the path whose import would fail."""
    name = f"package_{tmp_path.name.replace('-', '_')}"
    (tmp_path / name / "sub").mkdir(parents=True)
    (tmp_path / name / "__init__.py").write_text("raise RuntimeError('imported')")
    (tmp_path / name / "sub" / "deep.py").write_text("x = 1")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / name


def version(package, *names: str) -> str:
    environment._sources.cache_clear()
    environment._syntax_digest.cache_clear()
    return environment.code_version([".".join((package.name, *names))])


def test_comments_docstrings_and_layout_do_not_count(package):
    (package / "m.py").write_text(CODE, encoding="utf-8")
    before = version(package, "m")
    (package / "m.py").write_text(SAME, encoding="utf-8")
    assert version(package, "m") == before


@pytest.mark.parametrize(
    ("old", "new"),
    [("1.5", "2.5"), ("def f", "def g"), ("a else", "not a else"), ("int = 1", "int = True")],
)
def test_what_changes_behaviour_counts(package, old, new):
    (package / "m.py").write_text(CODE, encoding="utf-8")
    before = version(package, "m")
    (package / "m.py").write_text(CODE.replace(old, new), encoding="utf-8")
    assert version(package, "m") != before


def test_a_string_that_is_no_docstring_counts(package):
    (package / "m.py").write_text("x = 'one'")
    before = version(package, "m")
    (package / "m.py").write_text("x = 'two'")
    assert version(package, "m") != before


def test_a_package_stands_for_all_its_modules(package):
    before = version(package)
    only = version(package, "sub", "deep")
    (package / "sub" / "deep.py").write_text("x = 2")
    assert version(package) != before
    assert version(package, "sub") == version(package, "sub")
    assert version(package, "sub", "deep") != only


def test_a_name_without_source_is_refused(package):
    for name in ("nosuch_package_at_all", f"{package.name}.nosuch"):
        with pytest.raises(ModuleNotFoundError, match="nosuch"):
            environment.code_version([name])


def test_the_syntax_is_written_without_empty_fields():
    lines: list[str] = []
    environment._syntax(ast.parse("x = 1"), lines.append)
    assert "\n".join(lines) == (
        "(Module\n.body\n(Assign\n.targets\n(Name\n.id\nstr 'x'\n.ctx\n(Store\n)\n)\n,\n"
        ".value\n(Constant\n.value\nint 1\n)\n)\n,\n)"
    )


def test_the_environment_can_be_encoded_and_names_the_libraries():
    found = environment.environment()
    canonical.encode(found)
    assert {"polars", "torch", "dagster"} <= set(found["libraries"])


def git(root, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", root, *identity, *arguments], check=True, capture_output=True)


def state(root) -> dict[str, str]:
    """What a fresh process says of the code in `root`."""
    script = "from mitt_assets.lineage.environment import code_state; print(code_state())"
    found = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True
    )
    return dict(eval(found.stdout))


def test_the_code_state_is_the_commit_and_what_differs(tmp_path):
    source = environment.Path(environment.__file__).parents[2]
    root = tmp_path / "clone"
    for name in ("mitt_assets/__init__.py", "mitt_assets/errors.py", "resources/files.py"):
        copy(source, root, name)
    for path in (source / "mitt_assets/lineage").glob("*.py"):
        copy(source, root, f"mitt_assets/lineage/{path.name}")
    (root / "mitt_assets/__init__.py").write_text("")
    assert set(state(root)) == {"distribution", "digest"}
    git(tmp_path, "init", "-q", str(root))
    git(root, "add", ".")
    git(root, "commit", "-qm", "all")
    clean = state(root)
    assert len(clean["commit"]) == 40
    assert clean["difference"] == ""
    (root / "notes.txt").write_text("not code")
    assert state(root) == clean
    (root / "mitt_assets/new.py").write_text("x = 1")
    first = state(root)
    assert first["commit"] == clean["commit"]
    assert len(first["difference"]) == 64
    (root / "mitt_assets/__init__.py").write_text("x = 2")
    assert state(root)["difference"] not in ("", first["difference"])


def copy(source, root, name: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes((source / name).read_bytes())


def test_nothing_heavy_is_imported():
    script = textwrap.dedent("""
        import sys
        import mitt_assets.lineage.store, mitt_assets.lineage.staleness, mitt_assets.lineage.gc
        import mitt_assets.lineage.export, mitt_assets.lineage.links, resources.shards
        from mitt_assets.lineage.environment import code_state, environment
        environment(), code_state()
        heavy = {"polars", "torch", "dagster", "fsspec", "numpy", "pydantic"}
        print(sorted(heavy & set(sys.modules)))
    """)
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"

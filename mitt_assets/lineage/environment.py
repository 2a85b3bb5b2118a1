"""Which code ran and where: the two things a statement cannot learn from its inputs.

The version of a step's code is a digest of its syntax tree, not of its text, so that a comment or
a reformatted line makes nothing stale; and not of the whole repository, so that a change elsewhere
does not either.
"""

import ast
import hashlib
import os
import platform
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib import metadata, util
from pathlib import Path

from mitt_assets.lineage import canonical
from mitt_assets.lineage.canonical import JSON
from resources.files import chunks_of, sha256_of

DISTRIBUTION = "mitt-assets"
PACKAGES = ("mitt_assets", "resources", "checks")
_REQUIREMENT = re.compile(r"[A-Za-z0-9._-]+")


def environment() -> dict[str, JSON]:
    """Python, platform, processor, the versions of the libraries this program asks for, and one
    digest of everything installed, as a lock file would name it.
    """
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": platform.platform(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "libraries": dict(_libraries()),
        "installed": _installed(),
    }


def code_state() -> dict[str, str]:
    """The commit and a digest of what differs from it, or the digest of the installed files.

    `difference` is empty for a clean tree. Read once per process: that is the code that runs.
    """
    return dict(_code_state())


def code_version(modules: Iterable[str]) -> str:
    """sha256 over the syntax of the named modules; a package stands for all its modules.

    Comments, docstrings and layout do not count, and nothing is imported. Raises
    ModuleNotFoundError for a name that leads to no source.
    """
    sources: dict[str, Path] = {}
    for name in modules:
        sources.update(_sources(name))
    return canonical.digest({name: _syntax_digest(path) for name, path in sources.items()})


@cache
def _libraries() -> tuple[tuple[str, str], ...]:
    try:
        requirements = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        requirements = []
    names = {match.group() for text in requirements if (match := _REQUIREMENT.match(text))}
    return tuple((name, _version(name)) for name in sorted(names) if _version(name))


@cache
def _installed() -> str:
    found = {(one.metadata["Name"] or "").lower(): one.version for one in metadata.distributions()}
    return canonical.digest(dict(sorted(found.items())))


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


@cache
def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.is_file():
        return platform.processor()
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


@cache
def _code_state() -> tuple[tuple[str, str], ...]:
    root = Path(__file__).resolve().parents[2]
    own = Path(__file__).resolve().relative_to(root).as_posix()
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None or not _git(root, "ls-files", "--", own):
        return (
            ("distribution", f"{DISTRIBUTION} {_version(DISTRIBUTION)}"),
            ("digest", _tree(root)),
        )
    return (("commit", commit.strip()), ("difference", _difference(root)))


def _difference(root: Path) -> str:
    """Digest of the changed and new files of the packages, by path and bytes; empty if none."""
    paths = [*PACKAGES, "pyproject.toml"]
    changed = _git(root, "diff", "HEAD", "--name-only", "--relative", "-z", "--", *paths) or ""
    new = _git(root, "ls-files", "--others", "--exclude-standard", "-z", "--", *paths) or ""
    names = sorted({name for name in (changed + new).split("\0") if name})
    files = {
        name: sha256_of(chunks_of(root / name)) if (root / name).is_file() else None
        for name in names
    }
    return canonical.digest(files) if files else ""


def _git(root: Path, *arguments: str) -> str | None:
    """What git prints, or None where there is no git or no repository."""
    settings = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=60, env=settings, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "surrogateescape") if done.returncode == 0 else None


def _tree(root: Path) -> str:
    """Digest of the packages' source files as installed."""
    files = sorted(path for name in PACKAGES for path in (root / name).rglob("*.py"))
    return canonical.digest(
        {path.relative_to(root).as_posix(): sha256_of(chunks_of(path)) for path in files}
    )


@cache
def _sources(name: str) -> dict[str, Path]:
    """Module name to source file, for a module or a package with all it contains."""
    found: dict[str, Path] = {}
    for place in _places(name):
        if place.is_file():
            found[name] = place
        for path in sorted(place.rglob("*.py")) if place.is_dir() else ():
            parts = path.relative_to(place).with_suffix("").parts
            found[".".join((name, *parts)).removesuffix(".__init__")] = path
    if not found:
        raise ModuleNotFoundError(f"No source of {name!r} was found for its code version.")
    return found


def _places(name: str) -> Iterator[Path]:
    """The file or folders a dotted name may stand for; only the first part asks the importer."""
    first, *rest = name.split(".")
    spec = util.find_spec(first)
    if spec is None:
        return
    if not rest and not spec.submodule_search_locations and spec.origin:
        yield Path(spec.origin)
    for location in spec.submodule_search_locations or ():
        place = Path(location).joinpath(*rest)
        yield place
        if rest:
            yield place.with_name(f"{place.name}.py")


@cache
def _syntax_digest(path: Path) -> str:
    tree = ast.parse(path.read_bytes(), filename=str(path))
    lines: list[str] = []
    _syntax(tree, lines.append)
    return hashlib.sha256("\n".join(lines).encode("ascii")).hexdigest()


def _syntax(node: object, write: Callable[[str], None]) -> None:
    """The tree as lines that are the same under every supported Python.

    Empty fields are left out, because each Python adds new ones, and texts are written in ASCII,
    because what `repr` escapes depends on the Unicode tables.
    """
    if isinstance(node, ast.AST):
        write(f"({type(node).__name__}")
        for name, value in ast.iter_fields(node):
            value = _without_docstring(node, value) if name == "body" else value
            if value is not None and value != [] and name != "kind":
                write(f".{name}")
                _syntax(value, write)
        write(")")
    elif isinstance(node, list):
        for item in node:
            _syntax(item, write)
            write(",")
    else:
        write(f"{type(node).__name__} {ascii(node)}")


def _without_docstring(node: ast.AST, body: object) -> object:
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    if isinstance(node, owners) and ast.get_docstring(node, clean=False) is not None:
        return node.body[1:]
    return body

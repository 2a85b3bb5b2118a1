"""What a model wrote is data: it is shown as it is, cut, and never acted upon."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from mitt_assets.asset_specs import key_of
from mitt_assets.home import Home, open_maker
from mitt_assets.lineage.store import write_table
from mitt_assets.work import TABLE_FILE
from tests.commandline import invoke

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "[click](javascript:alert(3)) ![x](http://example.org/x.png) | a | b |\n|---|---|\n# big",
    "\x1b[2J\x1b]0;owned\x07\x1b[31mred [bold]markup[/bold] [/nothing]",
    "\N{RIGHT-TO-LEFT OVERRIDE}gnirts\N{LEFT-TO-RIGHT ISOLATE}\N{ZERO WIDTH SPACE}\x00\x85",
    "x" * 1_000_000,
    "{{ 7 * 7 }} {% raw %} %s {0} \\u001b",
)
FORBIDDEN = ("\x1b", "\x07", "\x00", "\N{RIGHT-TO-LEFT OVERRIDE}", "\N{LEFT-TO-RIGHT ISOLATE}")
MOST = 200_000
"""Bytes of metadata or page that one broken partition may cost."""


@pytest.fixture
def study(finished: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The finished study, its German texts replaced by the worst a model could write."""
    shutil.copytree(finished[0], tmp_path / "copy", symlinks=True)
    monkeypatch.setenv("MITT_HOME", str(tmp_path / "copy"))
    store = open_maker(str(finished[1])).store
    for asset, partition in (("base/traces", "de|llama"), ("translations", "de")):
        sound = store.current(asset, partition)
        assert sound is not None
        frame = store.table(sound)
        column = "text" if "text" in frame.columns else "question"
        texts = pl.Series(column, [HOSTILE[i % len(HOSTILE)] for i in range(frame.height)])
        store.commit(sound, {TABLE_FILE: write_table(frame.with_columns(texts))})
    return finished[1]


def test_hostile_texts_reach_nobody_s_terminal_page_or_metadata(study: Path) -> None:
    said = invoke("check", "--study", str(study), "--language", "de")
    assert said.exit_code == 1
    assert "the text is what the tokens decode to" in said.output
    assert not any(one in said.output for one in FORBIDDEN)
    assert len(said.output) < MOST

    home = Home(open_maker(str(study)).graph.study)
    page = (home.path / "report" / "checks.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "<img" not in page
    assert "href" not in page
    assert not any(one in page for one in FORBIDDEN)
    assert len(page) < 10 * MOST

    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        for asset in ("base/traces", "translations"):
            key = dg.AssetCheckKey(key_of(asset), "sound")
            records = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
            evaluation = records[0].event.dagster_event.event_specific_data  # type: ignore[union-attr]
            shown = evaluation.metadata["failing rows"]  # type: ignore[union-attr]
            assert isinstance(shown, dg.TableMetadataValue)
            plain = json.dumps([dict(one.data) for one in shown.records], ensure_ascii=False)
            assert not any(one in plain for one in FORBIDDEN)
            assert len(plain) < MOST

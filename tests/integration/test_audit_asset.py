"""The audit in Dagster: kinds of findings are checks of one asset."""

from __future__ import annotations

import shutil
from pathlib import Path

import dagster as dg
import pytest

from mitt_assets.audit_asset import audit_of
from mitt_assets.home import Home, open_maker
from mitt_assets.materialise import Maker


@pytest.fixture
def maker(finished: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Maker:
    """The finished study in a home of the test's own."""
    shutil.copytree(finished[0], tmp_path / "copy", symlinks=True)
    monkeypatch.setenv("MITT_HOME", str(tmp_path / "copy"))
    return open_maker(str(finished[1]))


def audited(maker: Maker) -> dict[str, dg.AssetCheckEvaluation]:
    (asset,) = audit_of(maker, Home(maker.graph.study))["assets"]
    result = dg.materialize([asset])
    assert result.success
    return {one.check_name: one for one in result.get_asset_check_evaluations()}


def test_findings_of_the_audit_are_checks(maker: Maker) -> None:
    assert all(one.passed for one in audited(maker).values())
    record = maker.required("base/windows", "de|llama")
    path = maker.store.storage.local_path(record.files["table.parquet"])
    assert path is not None
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    found = audited(maker)
    assert not found["tampered"].passed
    assert found["tampered"].severity == dg.AssetCheckSeverity.ERROR
    assert "base/windows[de|llama]" in str(found["tampered"].metadata["some"])
    assert found["stale"].passed

"""The pages that the web interface links to."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs

import dagster as dg
import pytest

from mitt_assets.asset_specs import described
from mitt_assets.assets.chain import build_graph
from mitt_assets.errors import StudyError
from mitt_assets.home import Home, open_maker
from mitt_assets.study_file import load_study
from mitt_assets.ui_pages import page_url, remember_address, trace_html


def links(page: str) -> list[str]:
    """What a page asks for next, as `where`."""
    found = (
        parse_qs(unescape(one), keep_blank_values=True)
        for one in re.findall(r'href="\?([^"]*)"', page)
    )
    return [one["where"][0] for one in found]


def test_from_a_report_every_link_leads_on_to_one_number_s_trace(done: Path) -> None:
    maker = open_maker(str(done))
    page = trace_html(maker, "reports/scaling", "")
    assert "model=llama" not in links(page)  # there is one model only: nothing to choose
    chosen = "measure=accuracy_end,language=tl"
    some = trace_html(maker, "reports/scaling", chosen)
    number = links(some)[-1]
    assert chosen.split(",")[0] in number
    traced = trace_html(maker, "reports/scaling", number)
    assert "Made again from its rows: equal to the last digit." in traced
    assert "base/traces[tl|llama]" in traced
    assert "0 numbers of reports/scaling" in trace_html(maker, "reports/scaling", "language=xx")
    with pytest.raises(StudyError, match="no report 'reports/none'"):
        trace_html(maker, "reports/none", "")


def test_nothing_asked_for_is_read_as_html(done: Path) -> None:
    page = trace_html(open_maker(str(done)), "drift", "language=<script>alert(1)</script>")
    assert "<script" not in page


def test_links_go_where_the_pages_are_shown_or_were_last(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MITT_HOME", str(tmp_path))
    monkeypatch.delenv("MITT_PAGES", raising=False)
    home = Home(open_maker(str(done)).graph.study)
    home.prepare()
    page, there = "report/report.html", "mini/report/report.html"
    assert page_url(home, page) == f"http://127.0.0.1:3001/{there}"
    remember_address(home, "http://127.0.0.1:4001")
    numbers = "mini/trace/reports/scaling"
    assert page_url(home, "trace/reports/scaling") == f"http://127.0.0.1:4001/{numbers}"
    monkeypatch.setenv("MITT_PAGES", "http://127.0.0.1:5001/")
    assert page_url(home, page) == f"http://127.0.0.1:5001/{there}"


def test_a_report_s_own_page_links_to_where_it_is_shown_now(
    study_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = build_graph(load_study(study_file()))

    def links(asset: str) -> dict[str, str]:
        said = described(graph, graph.step(asset))["metadata"]
        return {name: one.url for name, one in said.items() if isinstance(one, dg.UrlMetadataValue)}

    monkeypatch.delenv("MITT_PAGES", raising=False)
    assert links("reports/study") == {}
    monkeypatch.setenv("MITT_PAGES", "http://127.0.0.1:5001")
    report = "http://127.0.0.1:5001/mini/report/report.html"
    assert links("base/traces") == {}
    assert links("reports/study") == {"report": report}
    assert links("reports/scaling") == {
        "report": report,
        "trace a number": "http://127.0.0.1:5001/mini/trace/reports/scaling",
    }

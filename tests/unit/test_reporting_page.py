"""The page: deterministic, self-contained, valid, safe to open, honest about what is missing."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
import subprocess
import sys
import urllib.parse
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from mitt_assets.reporting.data_table import PLAIN_LIMIT, download
from mitt_assets.reporting.page import PageResult, ReportInputs, build_page
from mitt_assets.reporting.samples import Piece, SampleTrace
from mitt_assets.study_file import load_study
from tests.fakes.estimates import Maker, small_study

EVIL = "<script>alert(1)</script> \x1b[31mred \u202eabc <img src=http://evil.example/x>"
SAMPLE = SampleTrace(
    language="tl",
    model="one",
    variant="base",
    question=EVIL,
    answer="16",
    read_answer="",
    correct=False,
    pieces=(
        Piece("Una", "tl", first=True),
        Piece("Sandali", "tl", wait=True),
        Piece(EVIL, "undetermined", first=True),
        Piece("</think>16", "answer"),
    ),
)
INPUTS = ReportInputs(
    study=small_study(),
    estimates=Maker(small_study()).all(),
    samples=[SAMPLE],
    left_out=[("mitt/windows", "tl|one", "check 'labels' failed"), ("base/traces", "tl|one", "b")],
    overrides=[("mitt/probes", "tl|one", EVIL)],
    content={"problems": "sha256:aa", "base/traces[tl|one]": "sha256:bb"},
    organism=[{"slug": "one", "put_in": {"question_share": {"en": 0.4, "tl": 0.06}}}],
    problem_counts={"evaluation": 120},
)
VOID = {"meta", "link", "img", "br", "hr", "input"}


@pytest.fixture(scope="module")
def page() -> PageResult:
    return build_page(INPUTS)


@pytest.fixture(scope="module")
def text(page: PageResult) -> str:
    return page.html.decode("utf-8")


class Reader(HTMLParser):
    """Reads a page strictly: every element closed in order, attributes collected."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.wrong: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if len(dict(attrs)) != len(attrs):
            self.wrong.append(f"attribute given twice in {tag}")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"{tag} at {self.getpos()}")

    def all(self, name: str) -> list[str]:
        return [value for _, attrs in self.elements if (value := attrs.get(name)) is not None]


def test_the_same_inputs_give_the_same_bytes(page: PageResult) -> None:
    again = build_page(INPUTS)
    assert again.html == page.html and again.csv_files == page.csv_files
    shuffled = {
        name: rows.sample(fraction=1.0, shuffle=True, seed=5)
        for name, rows in reversed(INPUTS.estimates.items())
    }
    other = replace(
        INPUTS,
        estimates=shuffled,
        left_out=INPUTS.left_out[::-1],
        content=dict(reversed(INPUTS.content.items())),
    )
    assert build_page(other).html == page.html


def test_a_fresh_process_gives_the_same_bytes(page: PageResult) -> None:
    code = (
        "import hashlib; from tests.unit.test_reporting_page import INPUTS, build_page;"
        "print(hashlib.sha256(build_page(INPUTS).html).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7", "TZ": "Asia/Manila", "LANG": "de_DE.UTF-8"},
    )
    assert done.stdout.strip() == hashlib.sha256(page.html).hexdigest()


def test_nothing_on_the_page_comes_from_elsewhere(text: str) -> None:
    read = Reader(text)
    for name in ("src", "href", "xlink:href", "action", "poster", "srcset", "data"):
        for value in read.all(name):
            assert value.startswith(("#", "data:")), value
    assert not {"link", "iframe", "object", "embed", "img", "base"} & {t for t, _ in read.elements}
    assert "url(" not in text.replace("url(#", "") and "@import" not in text
    assert "default-src 'none'" in text


def test_the_page_is_well_formed_and_every_link_has_its_place(text: str) -> None:
    read = Reader(text)
    assert read.wrong == [] and read.open == []
    ids = read.all("id")
    assert len(ids) == len(set(ids))
    anchors = [value[1:] for value in read.all("href") if value.startswith("#")]
    assert set(anchors) <= set(ids)
    assert sum(tag == "h1" for tag, _ in read.elements) == 1
    assert text.startswith("<!DOCTYPE html>") and '<html lang="en">' in text


def test_only_our_own_script_may_run(text: str) -> None:
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", text, flags=re.S)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    assert not any(name.startswith("on") for _, attrs in Reader(text).elements for name in attrs)


def test_foreign_text_is_shown_and_does_nothing(text: str) -> None:
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    for hidden in ("\x1b", "\u202e", "<script>alert", "<img"):
        assert hidden not in text
    assert "\u27e8U+001B\u27e9[31mred" in text
    assert "A small study of &lt;two&gt; languages" in text


def test_the_forced_wait_is_marked_and_windows_carry_their_language(text: str) -> None:
    assert '<mark title="forced wait">Sandali</mark>' in text
    assert re.search(r'<span class="window" lang="tl"[^>]*><b class="tag"[^>]*>tl</b>Una', text)
    assert "Read: <strong>no answer</strong>" in text


def test_every_figure_has_anchor_contents_table_and_its_csv(page: PageResult, text: str) -> None:
    assert len(page.charts) >= 14
    links = {a["download"]: a["href"] for t, a in Reader(text).elements if "download" in a}
    for chart in page.charts:
        assert f'id="figure-{chart.name}"' in text
        assert f'<li><a href="#figure-{chart.name}">' in text
        uri = links[f"{chart.name}.csv"]
        assert uri is not None
        inside = urllib.parse.unquote(uri.split(",", 1)[1])
        assert inside.encode() == page.csv_files[f"figures/{chart.name}.csv"]
    assert text.count("<th scope=") > 100


def test_a_long_csv_is_carried_compressed(page: PageResult) -> None:
    long = replace(page.charts[0], csv="measure\n" + "accuracy\n" * PLAIN_LIMIT)
    file = download(long)
    assert file.name.endswith(".csv.gz")
    assert gzip.decompress(base64.b64decode(file.uri.split(",")[1])).decode() == long.csv


def test_every_report_is_a_csv_with_its_filters(page: PageResult) -> None:
    for name, rows in INPUTS.estimates.items():
        data = page.csv_files[f"reports/{name.split('/')[-1]}.csv"].decode()
        assert data.splitlines()[0].endswith("source,filter")
        assert len(data.splitlines()) == rows.height + 1


def test_what_was_left_out_and_overridden_is_named(text: str) -> None:
    assert "check &#39;labels&#39; failed" in text
    assert text.index("base/traces</th>") < text.index("mitt/windows</th>")
    assert 'class="alarm" role="alert"' in text
    assert "No check was overridden" not in text


def test_without_overrides_nothing_is_red() -> None:
    plain = build_page(replace(INPUTS, overrides=[], left_out=[], estimates={})).html.decode()
    assert 'class="alarm"' not in plain and "No check was overridden" in plain
    assert "every partition of the study was there" in plain


def test_a_page_without_results_says_so_and_is_valid() -> None:
    bare = build_page(ReportInputs(study=small_study(), estimates={}))
    read = Reader(bare.html.decode())
    assert read.wrong == [] and bare.charts == ()
    assert "Not estimated" in bare.html.decode()


def test_provenance_and_assumptions_are_written_out(text: str) -> None:
    assert "sha256:bb" in text
    assert "budget: 512" in text
    assert "the paper&#39;s number is unknown" in text
    assert "native reader" in text
    assert "Question share" in text and "6 %" in text


def test_a_partial_set_of_reports_still_makes_a_page(page: PageResult) -> None:
    drift = {"drift": INPUTS.estimates["reports/drift"]}
    some = build_page(replace(INPUTS, estimates=drift))
    assert {chart.name for chart in some.charts} < {chart.name for chart in page.charts}
    assert Reader(some.html.decode()).wrong == []


def test_style_serves_dark_print_and_small_screens(text: str) -> None:
    for needed in ("prefers-color-scheme: dark", "data-theme=dark", "@media print", "viewport"):
        assert needed in text


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    code = (
        "import sys, mitt_assets.reporting.page, mitt_assets.reporting.charts;"
        "print({'matplotlib', 'jinja2', 'polars', 'PIL', 'markupsafe'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_page_of_the_default_study_stays_small() -> None:
    study = load_study("organism")
    page = build_page(ReportInputs(study=study, estimates=Maker(study).all()))
    assert len(page.html) < 3_000_000
    assert Reader(page.html.decode()).wrong == []

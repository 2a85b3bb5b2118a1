"""The study's page stands alone, and the tables beside it are those it was made from."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from checks.subject import Subject, Values
from checks.suites.rules import among, between, equal, rows, suite

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

SETTINGS = ()
CODE = ("checks.suites.rules", "mitt_assets.reporting.chart")

PAGE = "report.html"
KINDS = ("page", "figure", "report")
_LOADING = ("src", "srcset", "href", "xlink:href", "data", "poster", "background", "action")
_OUTSIDE = re.compile(r"url\(\s*['\"]?(?!#|data:)[^)]|@import", re.IGNORECASE)
_POLICY = re.compile(r"'(sha256-[A-Za-z0-9+/=]+)'")


def measure(subject: Subject) -> dict[str, Values]:
    """What the page would load, which figures it shows, and its CSV files beside the reports."""
    import polars as pl

    sizes = {name: len(subject.file(name)) for name in subject.record.files}
    html = subject.file(PAGE).decode("utf-8", "replace") if PAGE in sizes else ""
    page = _Page(html)
    kinds = {PAGE: "page"}
    kinds |= {f"figures/{name}.csv": "figure" for name in page.figures}
    kinds |= {f"{asset}.csv": "report" for asset in _reports(subject)}
    listed = [
        {"file": name, "bytes": sizes.get(name, 0), "kind": kinds.get(name, "unknown")}
        for name in sorted({*sizes, *kinds})
    ]
    said = {
        "characters": len(html),
        "ending": html.rstrip()[-7:],
        "figures": len(page.figures),
        "outside": len(page.outside),
        "scripts": len(page.scripts - set(_POLICY.findall(page.policy))),
        "inputs": sum(one.content not in html for one in subject.record.dependencies),
        "witness": ", ".join(page.outside[:3]),
    }
    return {
        "files": Values(pl.DataFrame(listed), ("file",)),
        "page": Values(pl.DataFrame([said]), ("witness",)),
        "reports": Values(pl.DataFrame(_tables(subject)), ("report", "first difference")),
        "figures": Values(pl.DataFrame(_figures(subject)), ("figure", "first unknown")),
    }


def suites(subject: Subject) -> dict[str, ExpectationSuite]:
    """A whole page that loads nothing, with every report as it is."""
    return {
        "files": suite(
            "files",
            rows("files are listed"),
            between("bytes", 1, None, "every file is there and not empty"),
            among("kind", KINDS, "every file is the page, a report or one of its figures"),
        ),
        "page": suite(
            "page",
            rows("the page was measured", 1, 1),
            between("characters", 1, None, "the page is not empty"),
            among("ending", ["</html>"], "the page is whole"),
            between("figures", 1, None, "the page shows figures"),
            between("outside", 0, 0, "the page loads nothing from outside"),
            between("scripts", 0, 0, "the page's policy names every script in it"),
            between("inputs", 0, 0, "the page names the content of every input"),
        ),
        "reports": suite(
            "reports",
            rows("reports were compared"),
            equal("lines", "lines of the report", "a CSV file has the rows of its report"),
            between("differing", 0, 0, "a CSV file holds the numbers of its report"),
        ),
        "figures": suite(
            "figures",
            rows("figures were compared"),
            between("lines", 2, None, "a figure's CSV file has rows"),
            between("unknown", 0, 0, "every row of a figure's CSV file is a row of a report"),
        ),
    }


def _reports(subject: Subject) -> list[str]:
    return sorted(asset for asset, _ in subject.parents if asset.startswith("reports/"))


def _lines(subject: Subject, name: str) -> list[str]:
    if name not in subject.record.files:
        return []
    return subject.file(name).decode("utf-8", "replace").splitlines()


def _tables(subject: Subject) -> list[dict[str, str | int]]:
    """Per report, its CSV file line by line beside the report's table written again."""
    from mitt_assets.reporting.chart import to_csv

    compared: list[dict[str, str | int]] = []
    for asset in _reports(subject):
        lines = _lines(subject, f"{asset}.csv")
        expected = to_csv(subject.parent_frame(asset)).splitlines()
        pairs = enumerate(zip(lines, expected, strict=False), start=1)
        differing = [number for number, (left, right) in pairs if left != right]
        row: dict[str, str | int] = {"report": asset, "lines": len(lines)}
        row |= {"lines of the report": len(expected), "differing": len(differing)}
        compared.append({**row, "first difference": f"line {differing[0]}" if differing else ""})
    return compared


def _figures(subject: Subject) -> list[dict[str, str | int]]:
    """Per figure, rows of its CSV file that no report has."""
    from mitt_assets.reporting.chart import CSV_COLUMNS, to_csv

    known: set[str] = set()
    for asset in _reports(subject):
        known.update(to_csv(subject.parent_frame(asset), CSV_COLUMNS).splitlines())
    compared: list[dict[str, str | int]] = []
    for name in sorted(one for one in subject.record.files if one.startswith("figures/")):
        lines = _lines(subject, name)
        unknown = [line for line in lines if line not in known]
        row: dict[str, str | int] = {"figure": name, "lines": len(lines), "unknown": len(unknown)}
        compared.append({**row, "first unknown": unknown[0] if unknown else ""})
    return compared


class _Page(HTMLParser):
    """What a browser would fetch for the page, its scripts' digests, policy and figures.

    A link that a reader follows loads nothing by itself.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.outside: list[str] = []
        self.scripts: set[str] = set()
        self.figures: list[str] = []
        self.policy = ""
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what the tag loads."""
        self._inside = tag if tag in ("script", "style") else ""
        values = {name: value or "" for name, value in attrs}
        if tag == "meta" and values.get("http-equiv", "").lower() == "content-security-policy":
            self.policy = values.get("content", "")
        elif tag == "meta" and values.get("http-equiv", "").lower() == "refresh":
            self.outside.append(tag)
        if tag == "figure" and values.get("id", "").startswith("figure-"):
            self.figures.append(values["id"].removeprefix("figure-"))
        for name, value in values.items():
            loads = name in _LOADING and tag != "a" and not value.startswith(("#", "data:"))
            if loads or _OUTSIDE.search(value if name != "href" else ""):
                self.outside.append(f"<{tag} {name}={value}>")

    def handle_endtag(self, tag: str) -> None:
        """Leave a script or style."""
        self._inside = ""

    def handle_data(self, data: str) -> None:
        """Digest a script, search a style."""
        if self._inside == "script":
            digest = hashlib.sha256(data.encode("utf-8")).digest()
            self.scripts.add(f"sha256-{base64.b64encode(digest).decode('ascii')}")
        elif self._inside == "style":
            self.outside += _OUTSIDE.findall(data)

"""Ways to tamper with a finished study, each with what an audit must find, and where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.tampering import bytes_, forged, statements
from tests.tampering.ground import Ground


@dataclass(frozen=True)
class Tampering:
    """One deliberate change. ``place`` is part of a finding's place, or its whole.

    With ``signed``, only an audit with a key that signed the study before finds it.
    """

    name: str
    edit: Callable[[Ground], None]
    kind: str
    place: str
    signed: bool = False


TRACES, PROBES = "base/traces[de|llama]", "base/probes[de|llama]"
SIGNATURES = "signatures"

CATALOGUE = (
    Tampering("a bit of a table", bytes_.bit, "tampered", PROBES),
    Tampering("a table cut short", bytes_.truncated, "tampered", PROBES),
    Tampering("a table deleted", bytes_.deleted, "missing", PROBES),
    Tampering("another partition's bytes in a table's place", bytes_.other, "tampered", PROBES),
    Tampering(
        "an adapter's bytes replaced", bytes_.adapter_bytes, "tampered", "mitt/adapter[llama]"
    ),
    Tampering("a statement edited in place", bytes_.statement_edited, "tampered", TRACES),
    Tampering("a statement deleted", bytes_.statement_deleted, "missing", TRACES),
    Tampering("a pointer deleted", bytes_.pointer_deleted, "missing", PROBES),
    Tampering("a pointer made unreadable", bytes_.pointer_garbage, "tampered", "refs/base/probes"),
    Tampering("a pointer's content edited", bytes_.pointer_content, "tampered", PROBES),
    Tampering("two pointers exchanged", bytes_.pointers_swapped, "tampered", PROBES),
    Tampering("a file added to the store", bytes_.file_added, "unrecorded", "notes.txt"),
    Tampering("an object that nothing names", bytes_.object_added, "unrecorded", "objects/"),
    Tampering("the published page edited", bytes_.page_edited, "copy", "report/report.html"),
    Tampering("a published figure's CSV edited", bytes_.csv_edited, "copy", "report/figures/"),
    Tampering(
        "a file added to the published report", bytes_.page_added, "copy", "report/more.html"
    ),
    Tampering("a link to another table", bytes_.link_moved, "copy", "tables/base/probes/llama/de"),
    Tampering(
        "a file where a link was", bytes_.link_replaced, "copy", "tables/base/probes/llama/de"
    ),
    Tampering("a verdict's bytes edited", bytes_.verdict_edited, "tampered", PROBES),
    Tampering("a verdict deleted", bytes_.verdict_deleted, "unjudged", PROBES),
    Tampering("another partition's verdict", bytes_.verdict_moved, "tampered", PROBES),
    Tampering("a verdict against its outcomes", bytes_.verdict_turned, "tampered", PROBES),
    Tampering("an acceptance written by hand", bytes_.accepted, "overridden", PROBES),
    Tampering("the history of a partition removed", bytes_.history_removed, "history", PROBES),
    Tampering("a history entry edited", bytes_.entry_edited, "tampered", "history/base/probes"),
    Tampering(
        "a history entry of another", bytes_.entry_foreign, "tampered", "history/base/probes"
    ),
    Tampering("a history entry renamed", bytes_.entry_renamed, "unrecorded", "history/base/probes"),
    Tampering("a commit dated before its work", bytes_.entry_dated, "clock", PROBES),
    Tampering("a pointer put back", bytes_.rolled_back, "history", PROBES),
    Tampering("a statement edited, pointer moved", statements.pointer_only, "history", TRACES),
    Tampering("a statement edited, history too", statements.history_too, "history", TRACES),
    Tampering("a statement edited, the old deleted", statements.old_deleted, "missing", TRACES),
    Tampering("a row rewritten, all digests updated", statements.row, "missing", PROBES),
    Tampering("two partitions exchanged as if made so", statements.exchanged, "unjudged", PROBES),
    Tampering(
        "an adapter replaced by another valid one", statements.adapter, "missing", "mitt/adapter"
    ),
    Tampering("an input's content edited", statements.edge_content, "tampered", PROBES),
    Tampering("an input left out", statements.edge_removed, "stale", PROBES),
    Tampering("a setting that was not used", statements.setting, "stale", TRACES),
    Tampering("code that was not run", statements.code, "stale", PROBES),
    Tampering("weights that were not used", statements.weights, "tampered", TRACES),
    Tampering("weights called unverified", statements.unverified, "unverified", TRACES),
    Tampering("finished before it was started", statements.ended_first, "clock", PROBES),
    Tampering("a clock set back", statements.set_back, "clock", PROBES),
    Tampering("a clock set forward", statements.set_forward, "clock", PROBES),
    Tampering("no time at all", statements.no_time, "clock", PROBES),
    Tampering("a statement of another version", statements.version, "unreadable", "reports/study"),
    Tampering("a statement that is none", statements.nonsense, "tampered", "reports/study"),
    Tampering("fields of the wrong kind", statements.wrong_kind, "tampered", "reports/study"),
    Tampering("a report's number, all digests updated", forged.number, "number", "reports/scaling"),
    Tampering("a number left out of a report", forged.number_dropped, "number", "reports/drift"),
    Tampering("a number in the page's data", forged.page, "number", "reports/study"),
    Tampering(
        "a row, and every record after it", forged.row_and_chain, "number", "reports/scaling"
    ),
    Tampering("every record made anew", forged.chain, "unsigned", TRACES, signed=True),
    Tampering("the last record made anew", forged.last, "unsigned", "reports/study", signed=True),
    Tampering("the last partition gone", forged.gone, "unsigned", "reports/study", signed=True),
    Tampering("a verdict forged whole", forged.verdict, "tampered", "verdicts/", signed=True),
    Tampering("the signature deleted", forged.signature_deleted, "unsigned", "study", signed=True),
)
"""Found by an audit without a key unless marked ``signed``; then an audit without one is clean."""

OF_SIGNATURES = (
    Tampering("a signature's envelope edited", forged.envelope, "tampered", SIGNATURES),
    Tampering("a signature deleted in part", forged.envelope_gone, "missing", SIGNATURES),
)
"""Changes to the signature itself, found with the key; the second also without."""

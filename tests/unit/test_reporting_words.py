"""What the report says in words: headline, assumptions, notes, numbers, foreign text."""

from __future__ import annotations

import polars as pl
import pytest

from mitt_assets.reporting.assumptions import assumptions, grouped
from mitt_assets.reporting.headline import headline, key_tables
from mitt_assets.reporting.ingredients import ingredient_tables
from mitt_assets.reporting.notes import caveats
from mitt_assets.reporting.wording import excludes_zero, interval, listed, number, plain
from mitt_assets.study import Study
from mitt_assets.study_file import load_study
from tests.fakes.estimates import Maker, Row, frame, small_study


def effect(language: str, value: float, low: float | None, high: float | None) -> Row:
    row = Maker(small_study()).row(
        "effect", "one", "mitt-minus-own_prefix", language, value, curve="natural", x=0.0
    )
    return row | {"low": low, "high": high}


def answer(rows: list[Row]) -> tuple[str, str, str]:
    """Tone, answer and largest results of the comparison that matters."""
    sentences = headline(frame(rows), small_study())
    (one,) = [s for s in sentences if s.question.startswith("Does mitt help")]
    return one.tone, one.answer, one.largest


def test_an_interval_that_excludes_zero_is_called_a_gain() -> None:
    tone, text, largest = answer([effect("tl", 0.16, 0.075, 0.245), effect("en", 0.0, -0.1, 0.1)])
    assert tone == "gain"
    assert "a gain in 1 and no difference shown in 1" in text
    assert largest == "Gain, in percentage points: Tagalog: +16.0 [+7.5, +24.5]."


def test_a_large_effect_whose_interval_includes_zero_is_no_gain() -> None:
    tone, text, largest = answer([effect("tl", 0.30, -0.01, 0.61), effect("en", 0.1, 0.0, 0.2)])
    assert tone == "null"
    assert text.startswith("No difference shown.")
    assert largest == ""


def test_a_loss_is_said_as_plainly_as_a_gain() -> None:
    tone, text, largest = answer([effect("tl", -0.07, -0.12, -0.02), effect("en", 0.1, 0.05, 0.2)])
    assert tone == "mixed"
    assert "a gain in 1 and a loss in 1" in text
    assert "Loss, in percentage points: Tagalog: \u22127.0 [\u221212.0, \u22122.0]." in largest


def test_an_estimate_without_interval_is_never_a_gain() -> None:
    assert answer([effect("tl", 0.4, None, None)])[0] == "null"


def test_a_handful_of_problems_is_no_gain_however_narrow_its_interval() -> None:
    tone, text, _ = answer([effect("tl", 1.0, 1.0, 1.0) | {"problems": 2}])
    assert tone == "missing"
    assert text == "Too few problems to say: it takes at least 10."


def test_without_declared_comparisons_the_first_variant_is_held_against_the_base() -> None:
    study = small_study()
    bare = study.statistics.model_copy(update={"comparisons": ()})
    study = study.model_copy(update={"statistics": bare})
    rows = [effect("tl", 0.16, 0.07, 0.2) | {"variant": "mitt-minus-base"}]
    tones = {s.question: s.tone for s in headline(frame(rows), study)}
    assert tones["Does mitt help, beside base?"] == "gain"


def test_without_rows_it_says_so() -> None:
    assert {s.tone for s in headline(frame([]), small_study())} == {"missing"}


def test_all_languages_together_are_no_case_of_their_own() -> None:
    _, text, _ = answer([effect("tl", 0.16, 0.07, 0.2), effect("all", 0.2, 0.1, 0.3)])
    assert "over 1 language:" in text


def test_the_gap_is_told_where_the_interval_is_below_zero() -> None:
    maker = Maker(small_study())
    place = ("gap_to_reference", "one", "base", "tl")
    row = maker.row(*place, -0.45, curve="natural", x=0.0)
    sentences = {s.question: s for s in headline(frame([row]), small_study())}
    gap = sentences["How far do other languages trail English?"]
    assert gap.tone == "loss" and "1 of 1 language" in gap.answer
    row |= {"high": 0.01}
    sentences = {s.question: s for s in headline(frame([row]), small_study())}
    assert sentences["How far do other languages trail English?"].tone == "null"


def test_the_key_table_gives_every_number_its_interval_and_problems() -> None:
    maker = Maker(small_study())
    whole = pl.concat(maker.all().values())
    (table,) = key_tables(whole, small_study())
    by_language = {row[0]: dict(zip(table.head, row, strict=True)) for row in table.rows}
    assert list(by_language) == ["English", "Tagalog", "All languages"]
    assert by_language["English"]["Base: gap to English"] == ""
    tagalog = by_language["Tagalog"]
    assert tagalog["Problems"] == "120"
    rows = whole.filter(measure="effect", variant="mitt-minus-own_prefix", language="tl", x=0.0)
    row = rows.row(0, named=True)
    wanted = f"{number(row['estimate'], 'points')} {interval(row['low'], row['high'], 'points')}"
    assert tagalog["mitt \u2212 own_prefix"] == wanted


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.4333, "share", "43.3 %"),
        (0.09, "points", "+9.0"),
        (-0.035, "points", "\u22123.5"),
        (-0.0001, "points", "0.0"),
        (231.6, "plain", "232"),
        (0.00162, "plain", "0.0016"),
        (0.5, "plain", "0.50"),
        (None, "share", "n/a"),
        (float("nan"), "points", "n/a"),
        (float("inf"), "plain", "n/a"),
    ],
)
def test_numbers(value: float | None, unit: str, said: str) -> None:
    assert number(value, unit) == said


def test_intervals() -> None:
    assert interval(0.36, 0.501, "share") == "[36.0, 50.1]"
    assert interval(None, 0.5, "share") == "[no interval]"
    assert [excludes_zero(*pair) for pair in ((0.1, 0.2), (-0.2, -0.1), (0.0, 0.2))] == [1, -1, 0]
    assert excludes_zero(float("nan"), 1.0) == 0
    assert [listed(["a", "b", "c"][:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]


def test_foreign_text_cannot_hide_or_reorder_anything() -> None:
    text = "a\x1b[31mb\u202ec\u200bd\x00e\ud800f\u2028g\x7fh\r\n\ti\ufeff"
    shown = plain(text)
    for hidden in "\x1b\u202e\u200b\x00\ud800\u2028\x7f\r\ufeff":
        assert hidden not in shown
    assert "\u27e8U+001B\u27e9" in shown and "\u27e8U+202E\u27e9" in shown
    assert "\n\ti" in shown
    assert plain("Tiếng Việt, ngày") == "Tiếng Việt, ngày"


def test_every_assumed_setting_of_the_study_is_listed_with_its_value() -> None:
    study = load_study("organism")
    found = {one.key: one for one in assumptions(study)}
    assert found["generation.samples"].value == "2"
    assert found["variants.mitt.recipe.adapter.learning_rate"].value == "0.0004"
    assert found["variants.mitt.recipe.cut"].value == "tokens: 8"
    assert "variants.base.recipe.cut" not in found
    assert "generation.temperature" not in found
    assert all(one.why and one.text for one in found.values())


def test_every_assumed_field_of_a_part_reaches_the_list() -> None:
    study = load_study("paper")
    keys = {one.key for one in assumptions(study)}
    for part in ("generation", "probes", "windows", "encoder"):
        fields = type(getattr(study, part)).model_fields
        assumed = {n for n, info in fields.items() if (info.json_schema_extra or {}) != {}}
        # A study that reads every probe does not assume when it could stop.
        assert {f"{part}.{name}" for name in assumed - {"stop_when_stable"}} <= keys
        assert assumed


def test_settings_that_variants_share_are_told_once() -> None:
    both = grouped(assumptions(small_study()))
    ranks = [one.key for one in both if one.key.endswith("adapter.rank")]
    assert ranks == ["variants.{mitt, own_prefix}.recipe.adapter.rank"]
    prompts = [one.value for one in both if one.key.endswith("prompt_languages")]
    assert sorted(prompts) == ['"own"', "en, tl"]


def with_encoder(study: Study, source: str) -> Study:
    return study.model_copy(update={"encoder": study.encoder.model_copy(update={"source": source})})


def test_the_encoder_is_named_as_a_confound_only_where_it_is_one() -> None:
    study = small_study()
    assert not any("cannot be told apart" in note for note in caveats(study))
    hub = with_encoder(study, "sentence-transformers/paraphrase-multilingual-mpnet-base-v2")
    (note,) = [note for note in caveats(hub) if "cannot be told apart" in note]
    assert "Tagalog" in note
    assert any("native reader" in note and "Tagalog" in note for note in caveats(study))


def test_what_was_put_in_is_read_from_the_training_records() -> None:
    record = {
        "slug": "one",
        "parameters": 921000,
        "tokens_seen": 5_200_000,
        "put_in": {
            "question_share": {"en": 0.4, "tl": 0.06},
            "thought_language": {"en": {"own": 1.0, "english": 0.0}, "tl": {"own": 0.4}},
            "slip_first_pass": 0.2,
        },
    }
    again = record | {"slug": "two"}
    tables = {
        table.caption: table
        for table in ingredient_tables(small_study(), [record, again], {"evaluation": 120})
    }
    assert tables["Trainings of the organism"].rows[1] == ("two", "921,000", "5,200,000")
    shares = tables["Put in, by language"]
    assert shares.rows[1][:2] == ("Tagalog", "6 %")
    assert ("slip first pass", "0.2") in tables["Put in, for all languages"].rows
    assert sum(caption.startswith("Put in, by language") for caption in tables) == 1
    assert tables["Problems"].rows == (("evaluation", "120"),)

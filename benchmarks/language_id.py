"""Bulk language identification against langid's own classify: ratio, and that all is identical."""

from __future__ import annotations

import random
import sys

from benchmarks.random_reasoner import timed
from resources.language_id import BulkLangid

CANDIDATES = ("en", "it", "de", "pt", "vi", "tl")
SENTENCES = (
    "On Monday Anna buys 7 apples, so now there are 12 + 7 = 19.",
    "Nel lunedì Anna compra 7 mele, quindi adesso sono 12 + 7 = 19.",
    "Anna kauft am Montag 7 Äpfel, also sind es jetzt 12 + 7 = 19.",
    "Na segunda-feira Anna compra 7 maçãs, então agora são 12 + 7 = 19.",
    "Vào thứ Hai, Anna mua 7 quả táo, nên bây giờ có 12 + 7 = 19.",
    "Bumili si Anna noong Lunes ng 7 na mansanas, kaya 12 + 7 = 19.",
    "\\frac{12}{7} \\cdot 3 = x^2 + 4",
)
WINDOWS = 20_000
WORDS = (18, 28)


def windows() -> list[str]:
    """About 120 bytes each, as 32 tokens are; mixed languages and wordless ones among them."""
    draw = random.Random(0)
    words = " ".join(SENTENCES).split()
    return [" ".join(draw.choices(words, k=draw.randint(*WORDS))) for _ in range(WINDOWS)]


def main() -> int:
    from langid.langid import LanguageIdentifier, model

    original = LanguageIdentifier.from_modelstring(model, norm_probs=True)
    original.set_languages(CANDIDATES)
    texts, bulk = windows(), BulkLangid()
    bulk.identify(texts[:10], CANDIDATES)
    expected, slow = timed(lambda: [original.classify(text) for text in texts])
    said, fast = timed(lambda: bulk.identify(texts, CANDIDATES))
    same = expected == list(zip(said.labels, said.probabilities, strict=True))
    print(
        f"{len(texts)} windows: classify {slow:.2f} s, bulk {fast:.3f} s, "
        f"ratio {slow / fast:.1f}, labels and probabilities identical {same}"
    )
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())

"""The sentence encoder: one vector per token, averaged, trained on the parallel corpus.

A static embedding is enough for sentences of a closed vocabulary, costs nothing at inference and
trains in seconds. It learns from parallel pairs in which the other sentences of a batch are the
negatives (multiple negatives ranking loss): questions, first-pass openings, and stretches of a
first pass that begin and end anywhere, because windows of a trace do so too.
"""

import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mitt_assets.organism.lexicon import LANGUAGES
from mitt_assets.organism.problems import draw_scenarios
from mitt_assets.organism.recipe import recipe
from mitt_assets.organism.tokenizer import train_tokenizer
from mitt_assets.organism.traces import parallel_sentences
from mitt_assets.organism.train import refuse_used_folder, versions, write_record

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Pair = tuple[str, str]
KINDS = ("questions", "stretches", "openings")


def train_encoder(out: Path, *, pairs: int | None = None, threads: int = 1) -> dict[str, Any]:
    """Train the encoder into the folder `out` and return its record; `pairs` as in the recipe.

    Raises:
        FileExistsError: `out` holds something already; nothing is ever overwritten.
    """
    refuse_used_folder(out)
    import torch

    torch.set_num_threads(threads)
    settings = {**recipe().encoder, **({"pairs": pairs} if pairs else {})}
    encoder = _new_encoder(settings)
    started = time.monotonic()
    losses = _train(encoder, parallel_pairs(settings["pairs"], settings["seed"]), settings)
    record = {
        **settings,
        "seconds": round(time.monotonic() - started, 1),
        "loss_by_epoch": losses,
        "retrieval_to_english": retrieval(encoder, problems=200),
        "versions": versions(),
    }
    encoder.save(str(out), create_model_card=False)
    (out / "model.safetensors").chmod(0o644)  # the writer leaves it readable by its owner alone
    write_record(out / "encoder.json", record)
    return record


def parallel_pairs(count: int, seed: int) -> list[Pair]:
    """Sentence pairs of two languages that say the same, from pre-training problems only."""
    rng = random.Random(f"pairs/{seed}")
    pairs: list[Pair] = []
    for scenario in draw_scenarios("pretraining", count, seed):
        first, second = rng.sample(LANGUAGES, 2)
        questions, stretches, openings = parallel_sentences(scenario, rng)
        drawn = rng.choices(KINDS, weights=(0.4, 0.5, 0.1))[0]
        same = dict(zip(KINDS, (questions, stretches, openings), strict=True))[drawn]
        pairs.append((same[first], same[second]))
    return pairs


def _new_encoder(settings: dict[str, Any]) -> "SentenceTransformer":
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding

    torch.manual_seed(settings["seed"])
    tokenizer = train_tokenizer().backend_tokenizer
    module = StaticEmbedding(tokenizer, embedding_dim=settings["dimensions"])
    return SentenceTransformer(modules=[module], device="cpu")


def _train(
    encoder: "SentenceTransformer", pairs: list[Pair], settings: dict[str, Any]
) -> list[float]:
    """Adam over shuffled batches, the rate falling linearly; the mean loss of each epoch."""
    import torch
    from sentence_transformers.losses import MultipleNegativesRankingLoss

    loss_of = MultipleNegativesRankingLoss(encoder)
    adam = torch.optim.Adam(encoder.parameters(), lr=settings["lr"])
    rng = random.Random(f"encoder/{settings['seed']}")
    size, epochs = settings["batch"], settings["epochs"]
    steps = epochs * -(-len(pairs) // size)
    falling = torch.optim.lr_scheduler.LinearLR(adam, 1.0, 0.02, total_iters=steps)
    means = []
    for _ in range(epochs):
        rng.shuffle(pairs)
        losses = []
        for start in range(0, len(pairs), size):
            columns = zip(*pairs[start : start + size], strict=True)
            features = [encoder.preprocess(list(column)) for column in columns]
            loss = loss_of(features, None)
            loss.backward()
            adam.step()
            adam.zero_grad()
            falling.step()
            losses.append(loss.item())
        means.append(round(sum(losses) / len(losses), 4))
    return means


def retrieval(encoder: "SentenceTransformer", *, problems: int) -> dict[str, dict[str, float]]:
    """Share of development sentences whose nearest English one, of `problems`, says the same.

    Openings are left out: few wordings exist, so that many problems share the same one.
    """
    rng = random.Random("retrieval")
    drawn = [
        parallel_sentences(scenario, rng)
        for scenario in draw_scenarios("development", problems, recipe().development["seed"])
    ]
    found: dict[str, dict[str, float]] = {}
    for kind, name in enumerate(KINDS[:2]):
        vectors = {
            code: encoder.encode([same[kind][code] for same in drawn], normalize_embeddings=True)
            for code in LANGUAGES
        }
        found[name] = {
            code: round(_top1(vectors[code], vectors["en"]), 4) for code in LANGUAGES[1:]
        }
    return found


def _top1(queries: Any, targets: Any) -> float:
    nearest = (queries @ targets.T).argmax(axis=1)
    return float((nearest == range(len(queries))).mean())

"""A code location in which German base traces come out with seeds that are not theirs.

A file ``mended`` in MITT_HOME mends that; while one called ``held`` is there, probes do not end.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl

from mitt_assets.assets.chain import build_graph
from mitt_assets.definitions import build
from mitt_assets.graph import Graph
from mitt_assets.study_file import load_study
from mitt_assets.work import Product, Work

HOME = Path(os.environ["MITT_HOME"])
Make = Callable[[Work], Product]


def broken(make: Make) -> Make:
    """A step that is wrong in German until it is mended."""

    def made(work: Work) -> Product:
        product = make(work)
        wrong = work.own["language"] == "de" and not (HOME / "mended").exists()
        if wrong and product.frame is not None:
            product.frame = product.frame.with_columns(seed=pl.col("seed") + 1)
        return product

    return made


def endless(make: Make) -> Make:
    """A step that goes on for as long as it is held."""

    def made(work: Work) -> Product:
        while (HOME / "held").exists():
            time.sleep(0.1)
        return make(work)

    return made


def changed(graph: Graph, **changes: Callable[[Make], Make]) -> Graph:
    """The graph with some of the base chain's steps changed."""
    found = {name: graph.step(f"base/{name}") for name in changes}
    steps = {
        step.asset: replace(step, make=changes[name](step.make)) for name, step in found.items()
    }
    return Graph(graph.study, {**graph.steps, **steps}.values())


defs = build(changed(build_graph(load_study()), traces=broken, probes=endless))

"""A code location in which German base traces come out with seeds that are not theirs."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from mitt_assets.assets.chain import build_graph
from mitt_assets.definitions import build
from mitt_assets.graph import Graph
from mitt_assets.study_file import load_study
from mitt_assets.work import Product, Work

BROKEN = "base/traces"


def broken(graph: Graph) -> Graph:
    """The graph with the one step replaced."""
    step = graph.step(BROKEN)

    def make(work: Work) -> Product:
        product = step.make(work)
        if work.own["language"] == "de" and product.frame is not None:
            product.frame = product.frame.with_columns(seed=pl.col("seed") + 1)
        return product

    return Graph(graph.study, {**graph.steps, BROKEN: replace(step, make=make)}.values())


defs = build(broken(build_graph(load_study())))

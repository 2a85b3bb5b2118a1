"""Estimates: tables in, points of curves and single numbers with intervals out. One file per
report.

Each row names the asset and the filter that select the rows it rests on, so that any number can be
recomputed from them (``selection.select_rows``). No estimate reads a language's resource level.
"""

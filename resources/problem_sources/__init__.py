"""Where problems come from: the organism, a file of your own, or a data set on the hub.

>>> from mitt_assets.study_file import load_study
>>> len(open_source(load_study("organism")).load("evaluation"))
120
"""

from resources.problem_sources.base import (
    ProblemSource,
    SourceProblem,
    columns_of,
    languages_brought,
    origin,
    splits,
)
from resources.problem_sources.files import FileSource
from resources.problem_sources.hub import HubSource
from resources.problem_sources.opening import load_all, open_source
from resources.problem_sources.organism import OrganismSource

__all__ = [
    "FileSource",
    "HubSource",
    "OrganismSource",
    "ProblemSource",
    "SourceProblem",
    "columns_of",
    "languages_brought",
    "load_all",
    "open_source",
    "origin",
    "splits",
]

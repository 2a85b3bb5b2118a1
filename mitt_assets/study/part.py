"""What every part of a study is made of."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

PAPER = "arXiv 2505.15508"

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]*$", max_length=64)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


def setting(default: Any, text: str, *, assumed: str | None = None, **bounds: Any) -> Any:
    """A field of the study and its sentence; ``assumed`` says why no source gives the value."""
    extra: dict[str, Any] | None = {"assumed": assumed} if assumed else None
    return Field(default, description=text, json_schema_extra=extra, **bounds)


class Part(BaseModel):
    """Base of every part: unknown keys refused, values immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)

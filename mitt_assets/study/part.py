"""What every part of a study is made of."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

PAPER = "arXiv 2505.15508"

TRUTHS = {
    True: "True (YAML reads yes, on and true so)",
    False: "False (YAML reads no, off and false so)",
}
"""What YAML makes of some plain words, with what may have been written."""

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]*$", max_length=64)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


def setting(default: Any, text: str, *, assumed: str | None = None, **bounds: Any) -> Any:
    """A field of the study and its sentence; ``assumed`` says why no source gives the value."""
    extra: dict[str, Any] | None = {"assumed": assumed} if assumed else None
    return Field(default, description=text, json_schema_extra=extra, **bounds)


class Part(BaseModel):
    """Base of every part: unknown keys and truth values for numbers refused, values immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """A truth value where none is asked for, which pydantic would take for 0 or 1."""
        asked = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool) and asked is not bool:
            raise ValueError(f"found {TRUTHS[value]}; write a number, null or a word in quotes")
        return value

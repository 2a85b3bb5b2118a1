"""One completion as a server is asked for it, and what makes its answer one to what was asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mitt_assets.errors import ModelError
from mitt_assets.method.requests import Request, Sampling
from resources.engines.server_client import ServerAwayError

PATH = "/completions"

_ENDED = ("stop", "length")
_NO_TOKENS = (
    "the server returns no token ids (return_token_ids), and text does not give tokens back. Serve "
    "the model with vLLM 0.10.2 or SGLang of July 2026, or later"
)


@dataclass(frozen=True)
class Asked:
    """A request to ``model``, whose token ids are below ``vocabulary``, at the address ``place``.

    ``cleaned`` makes the server's words fit to be shown.
    """

    request: Request
    vocabulary: int
    model: str
    place: str
    cleaned: Callable[[str], str]

    def body(self, name: str, sampling: Sampling) -> dict[str, Any]:
        """What is sent, to the model served as ``name``: all that its own defaults could change."""
        return {
            "model": name,
            "prompt": list(self.request.tokens),
            "max_tokens": self.request.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": -1,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "seed": self.request.seed,
            "stop_token_ids": list(self.request.stop),
            "ignore_eos": True,
            "skip_special_tokens": False,
            "return_token_ids": True,
            "n": 1,
            "stream": False,
        }

    def tokens(self, said: Any) -> tuple[int, ...]:
        """The token ids of the answer ``said``.

        Raises ModelError for one that cannot be what was asked, and ServerAwayError for one broken
        off.
        """
        choice = self._choice(said)
        tokens = choice.get("token_ids")
        if not isinstance(tokens, list) or not all(type(token) is int for token in tokens):
            raise ModelError(f"{self.place}: {_NO_TOKENS}")
        if wrong := [token for token in tokens if not 0 <= token < self.vocabulary]:
            raise ModelError(
                f"{self.place}: token {wrong[0]} is outside the vocabulary (0 to "
                f"{self.vocabulary - 1}) of {self.model}: the server serves another model than the "
                "study names"
            )
        self._check_end(tokens)
        prompt = list(self.request.tokens)
        if choice.get("prompt_token_ids", prompt) != prompt:
            raise ModelError(
                f"{self.place}: the server changed the prompt; it must take tokens as they are"
            )
        return tuple(tokens)

    def _choice(self, said: Any) -> dict[str, Any]:
        choices = said.get("choices") if isinstance(said, dict) else None
        choice = choices[0] if isinstance(choices, list) and len(choices) == 1 else None
        if not isinstance(choice, dict):
            shown = self.cleaned(repr(said))
            raise ModelError(f"{self.place}: the answer has no single choice: {shown}")
        if choice.get("finish_reason") not in _ENDED:
            reason = self.cleaned(repr(choice.get("finish_reason")))
            raise ServerAwayError(f"a completion was broken off (finish_reason {reason})")
        return choice

    def _check_end(self, tokens: list[int]) -> None:
        """Raise ModelError unless ``tokens`` end where the request says they must."""
        most, stop = self.request.max_tokens, self.request.stop
        if len(tokens) > most:
            raise ModelError(
                f"{self.place}: {len(tokens)} tokens, where {most} were allowed: the server does "
                "not keep max_tokens"
            )
        if len(tokens) < most and not (tokens and tokens[-1] in stop):
            raise ModelError(
                f"{self.place}: {len(tokens)} of {most} tokens without a stop token: the server "
                "ends completions by itself (ignore_eos, stop_token_ids are not kept)"
            )
        if any(token in stop for token in tokens[:-1]):
            raise ModelError(
                f"{self.place}: the server went on behind a stop token: it does not keep "
                "stop_token_ids"
            )

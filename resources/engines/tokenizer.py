"""The tokenizer of a reasoning model: prompts that open the thought, and text with offsets.

Everything above works on token ids. Text appears at two places only: the question becomes a prompt
here, and a trace becomes text here, with the character at which each of its tokens starts, so that
windows of tokens are cut from the whole text. Byte-level BPE splits Vietnamese letters between
tokens; a window decoded by itself would hold halves of letters.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mitt_assets.errors import DataError, ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

THINK = "<think>"
END_THINK = "</think>"


class ReasoningTokenizer:
    """Wraps the tokenizer in a model's folder."""

    def __init__(self, folder: Path) -> None:
        """Reads local files only and runs no code of theirs.

        Raises ModelError if there is no fast tokenizer, no single-token think tags or no end token.
        """
        self.folder = folder
        self._bytes: dict[int, bytes] = {}
        self._found: dict[str, tuple[int, ...]] = {}
        self._library = _load(folder)
        self.think_open = self._single(THINK)
        self.think_close = self._single(END_THINK)
        self.eos = self._end()

    @property
    def vocabulary_size(self) -> int:
        """Number of token ids, added ones included."""
        return len(self._library)

    def encode(self, text: str) -> list[int]:
        """Token ids of ``text`` alone: no BOS or other token is added."""
        return list(self._library.encode(text, add_special_tokens=False))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ``ids``, special tokens written out."""
        return self._library.backend_tokenizer.decode(list(ids), skip_special_tokens=False)

    def decode_with_offsets(self, ids: Sequence[int]) -> tuple[str, list[int]]:
        """The text of ``ids`` as ``decode`` gives it, and the character where each token starts.

        A token that begins inside a letter of several bytes starts at that letter.
        """
        if self._is_byte_level:
            for token in set(ids).difference(self._bytes):
                self._bytes[token] = self._bytes_of(token)
            return _decode_bytes([self._bytes[token] for token in ids])
        return self._decode_stream(ids)

    def render(self, question: str, instruction: str) -> str:
        """The prompt as text: the chat template around the question, the thought opened once."""
        from jinja2 import TemplateError

        content = f"{question}\n{instruction}" if instruction else question
        try:
            rendered = self._library.apply_chat_template(
                [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
            )
        except TemplateError as problem:
            raise ModelError(
                f"chat template of {self.folder.name}: {problem}. It cannot render one question;"
                " mend chat_template in its tokenizer_config.json or chat_template.jinja"
            ) from problem
        return _opened(str(rendered))

    def prompt(self, question: str, instruction: str) -> list[int]:
        """The prompt as token ids, with BOS exactly once where the model has one.

        Raises DataError for a question that holds a control token, such as ``</think>``: the model
        would read it as the end of a thought and not as text.
        """
        self._refuse_controls(question)
        ids = self.encode(self.render(question, instruction))
        bos = self._library.bos_token_id
        while len(ids) > 1 and ids[0] == ids[1] == bos:
            del ids[0]
        if self._adds_bos and ids[0] != bos:
            ids.insert(0, bos)
        return ids

    def tokens_with(self, text: str) -> tuple[int, ...]:
        """All token ids whose own text contains ``text``; the vocabulary is read through once."""
        if text not in self._found:
            ids = range(self.vocabulary_size)
            self._found[text] = tuple(token for token in ids if text in self.decode([token]))
        return self._found[text]

    def _refuse_controls(self, question: str) -> None:
        for token in self.encode(question):
            if token in self._controls:
                raise DataError(
                    f"a question holds {self._controls[token]!r}, which {self.folder.name} reads as"
                    f" a control token and not as text: {question[:60]!r}. Mend its row in the set"
                )

    @cached_property
    def _controls(self) -> dict[int, str]:
        """Tokens that text is not made of: the tags, and what the tokenizer was added as special.

        Names of roles in a chat are added without that mark, but in brackets no text has.
        """
        added = self._library.added_tokens_decoder.items()
        found = {
            number: token.content
            for number, token in added
            if token.special or token.content.startswith(("<｜", "<|"))
        }
        found |= {self.think_open: THINK, self.think_close: END_THINK}
        found.pop(self._library.unk_token_id, None)
        return found

    @cached_property
    def _adds_bos(self) -> bool:
        """Whether this tokenizer puts BOS before a text by itself."""
        bos = self._library.bos_token_id
        return bos is not None and list(self._library.encode("a"))[0] == bos

    @cached_property
    def _is_byte_level(self) -> bool:
        decoder = self._library.backend_tokenizer.decoder
        return decoder is not None and '"ByteLevel"' in decoder.__getstate__().decode()

    @cached_property
    def _byte_of(self) -> dict[str, int]:
        return _byte_alphabet()

    def _bytes_of(self, token: int) -> bytes:
        """The bytes a token stands for; added tokens stand for their own text.

        Nothing for an id without a token: an embedding may have more rows than there are tokens.
        """
        written = self._library.backend_tokenizer.id_to_token(token)
        if written is None:
            return b""
        if all(letter in self._byte_of for letter in written):
            return bytes(self._byte_of[letter] for letter in written)
        return written.encode("utf-8")

    def _decode_stream(self, ids: Sequence[int]) -> tuple[str, list[int]]:
        """For tokenizers of other kinds; a letter split between tokens counts with the first."""
        from tokenizers.decoders import DecodeStream

        stream = DecodeStream(skip_special_tokens=False)
        offsets, length = [], 0
        for token in ids:
            offsets.append(length)
            length += len(stream.step(self._library.backend_tokenizer, token) or "")
        return self.decode(ids), offsets

    def _single(self, tag: str) -> int:
        ids = self.encode(tag)
        if len(ids) != 1 or ids[0] == self._library.unk_token_id:
            raise ModelError(
                f"tokenizer of {self.folder.name} has no single-token {THINK}/{END_THINK} ({tag} "
                f"is {len(ids)} tokens): it is not a reasoning model's. Choose a model that thinks "
                "between these tags, such as deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"
            )
        return ids[0]

    def _end(self) -> int:
        eos = self._library.eos_token_id
        if not isinstance(eos, int):
            raise ModelError(
                f"tokenizer of {self.folder.name} names no end token: set eos_token in its "
                "tokenizer_config.json"
            )
        return eos


def _load(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer as tokenizer.json says, whatever class its configuration names.

    The distilled Llama is labelled ``LlamaTokenizerFast`` but is byte-level. AutoTokenizer of
    transformers 5 believes the label and loses every space of a prompt without a word
    (huggingface/transformers issue 45488).
    """
    from transformers import PreTrainedTokenizerFast

    if not (folder / "tokenizer.json").is_file():
        raise ModelError(f"{folder} has no tokenizer.json: a fast tokenizer is needed")
    library: Any
    try:
        library = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    except Exception as problem:  # the library raises nothing narrower
        raise ModelError(
            f"the tokenizer in {folder} cannot be read ({type(problem).__name__}: {problem});"
            " fetch tokenizer.json and tokenizer_config.json again"
        ) from problem
    if not getattr(library, "chat_template", None):
        raise ModelError(
            f"tokenizer of {folder.name} has no chat template: choose the instruct or reasoning "
            "model instead of its base"
        )
    loaded: PreTrainedTokenizerFast = library
    return loaded


def _opened(rendered: str) -> str:
    """``rendered`` ending with the think tag and a new line, neither of them twice."""
    stripped = rendered.rstrip("\n")
    return f"{stripped}\n" if stripped.endswith(THINK) else f"{rendered}{THINK}\n"


def _decode_bytes(pieces: Sequence[bytes]) -> tuple[str, list[int]]:
    """Text of all ``pieces`` joined, invalid bytes replaced, and the character each starts at."""
    data = b"".join(pieces)
    try:
        return data.decode("utf-8"), _starts(data, pieces)
    except UnicodeDecodeError:
        return _decode_broken(pieces)


def _starts(data: bytes, pieces: Sequence[bytes]) -> list[int]:
    """The character in which each piece of a whole text starts."""
    import numpy as np

    begins = (np.frombuffer(data, dtype=np.uint8) & 0xC0) != 0x80
    # Letters begun before each byte; a byte inside a letter belongs to the last of them.
    before = np.concatenate(([0], np.cumsum(begins)))
    at = np.cumsum([0, *map(len, pieces)])[:-1]
    inside = ~np.append(begins, True)[at]
    return list((before[at] - inside).tolist())


def _decode_broken(pieces: Sequence[bytes]) -> tuple[str, list[int]]:
    """As ``_decode_bytes``, token by token, for bytes that are no text."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    offsets, texts, length = [], [], 0
    for piece in pieces:
        # A letter begun and then broken off becomes one replacement character of its own.
        broken = bool(decoder.getstate()[0]) and not _continues(piece)
        offsets.append(length + broken)
        texts.append(decoder.decode(piece))
        length += len(texts[-1])
    texts.append(decoder.decode(b"", final=True))
    return "".join(texts), offsets


def _continues(piece: bytes) -> bool:
    """Whether the first byte can stand inside a letter."""
    return not piece or piece[0] & 0xC0 == 0x80


def _byte_alphabet() -> dict[str, int]:
    """The letters that byte-level BPE writes bytes with (GPT-2, ``bytes_to_unicode``)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = {chr(byte): byte for byte in printable}
    others = [byte for byte in range(0x100) if byte not in set(printable)]
    return letters | {chr(0x100 + place): byte for place, byte in enumerate(others)}

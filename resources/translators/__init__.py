"""Machine translators: encoder-decoder models by sentence, chat models by text."""

from resources.translators.base import Translator
from resources.translators.chat import ChatTranslator
from resources.translators.seq2seq import Seq2SeqTranslator

__all__ = ["ChatTranslator", "Seq2SeqTranslator", "Translator"]

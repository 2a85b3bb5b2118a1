"""The errors a user can act on. Each message names the place, what was found and what to do."""


class MittError(Exception):
    """Base of every error that is the user's to mend; the command line prints no trace of it."""


class StudyError(MittError):
    """The study file is wrong: an unknown key, a value out of bounds, an undeclared name."""


class DataError(MittError):
    """A problem set or a table holds something it must not; names the file, row and field."""


class MissingInputError(MittError):
    """An upstream partition is not there; names it and the command that makes it."""


class IntegrityError(MittError):
    """Stored bytes are not the bytes that were recorded: truncated, altered or absent."""


class StorageError(MittError):
    """The home or the object store cannot be read or written: full, read-only, locked."""


class ModelError(MittError):
    """A model, tokenizer, adapter or encoder cannot serve: wrong family, no tags, no files."""


class RefusedError(MittError):
    """An input's checks failed or were not run; names it, the reason and the commands that help."""


class TransientError(MittError):
    """What may go well a little later: a device out of memory, a server gone, work held elsewhere.

    Runs try again after a growing pause; nothing else is ever tried again.
    """

"""Content-addressed bytes in a local folder or on any fsspec URL.

Data and a record about it can never be renamed into place together, and object stores do not rename
at all. So data go under their own sha256 first (`objects/ab/<sha256>`), and one small pointer,
written last and in one step, makes them current. A reader sees the old state or the new one.

Layout: `objects/` the bytes, `refs/` (and whatever else a caller names) the pointers, `history/` one
file per commit, `tmp/` files being written, empty unless a process was killed.
"""

import errno
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, unquote

from mitt_assets.errors import IntegrityError, StorageError
from resources.storage_backends import LocalFiles, RemoteFiles

CHUNK = 1 << 20
_RESERVED = ("objects", "history", "tmp")
_WHOLE = "_"

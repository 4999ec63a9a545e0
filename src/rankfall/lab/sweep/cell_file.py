"""The file of a cell: its rows as Parquet, with where they are from.

Nothing in it depends on when, where or by which process it was made: equal cells, computed with equal
versions, are equal byte for byte.
"""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, Any

from ...argument_checks import text, whole
from ...errors import InputError
from ...files.plain_values import anything, listed, mapping, read_json, record
from ..cell import Cell, canonical_json

if TYPE_CHECKING:
    import pandas as pd

_NAME = b"rankfall"
_PROVENANCE = record(
    {
        "key": text,
        "runner": text,
        "settings": mapping(anything),
        "root_seed": whole,
        "seed_axes": listed(text),
        "versions": mapping(text),
        "digest": text,
    }
)


def encode(frame: pd.DataFrame, cell: Cell, versions: dict[str, str]) -> bytes:
    """The rows of a cell and their provenance as the bytes of a Parquet file.

    Raises
    ------
    InputError
        If the rows are no data frame of numbers and strings, or a column is named like an axis.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    _check(frame, cell)
    frame = frame.reset_index(drop=True)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    provenance = {
        "key": cell.key,
        "runner": cell.runner,
        "settings": cell.settings,
        "root_seed": cell.root_seed,
        "seed_axes": sorted(cell.seed_axes),
        "versions": versions,
    }
    # NaN becomes null on the way: what is read back counts
    provenance["digest"] = _digest(table.to_pandas(), provenance)
    metadata = {**(table.schema.metadata or {}), _NAME: canonical_json(provenance).encode()}
    stream = io.BytesIO()
    pq.write_table(
        table.replace_schema_metadata(metadata), stream, compression="zstd", write_page_checksum=True
    )
    return stream.getvalue()


def decode(content: bytes) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The rows and the provenance of a cell's file, checked against each other.

    Raises
    ------
    InputError
        If the bytes are not what :func:`encode` made, whole and unchanged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(content), page_checksum_verification=True)
        said = read_json("its provenance", (table.schema.metadata or {}).get(_NAME, b""))
        _PROVENANCE("its provenance", said)
        frame = table.to_pandas()
        provenance = {name: value for name, value in said.items() if name != "digest"}
        sound = said["digest"] == _digest(frame, provenance)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, MemoryError) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise InputError(f"not the file of a cell ({reason})") from error
    if not sound:
        raise InputError("it does not hold what was written")
    return frame, provenance


def _check(frame: Any, cell: Cell) -> None:
    import pandas as pd
    from pandas.api import types

    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"The runner {cell.runner} must return a data frame, not {type(frame).__name__}.")
    for name in frame.columns:
        if not isinstance(name, str):
            raise InputError(f"The runner {cell.runner} returned a column named {name!r}, which is no text.")
    if not frame.columns.is_unique:
        raise InputError(f"The runner {cell.runner} returned two columns of one name.")
    for name in frame.columns:
        if name in cell.axes:
            raise InputError(
                f"The runner {cell.runner} returned a column {name}, which is an axis of the study."
            )
        column = frame[name]
        if types.is_numeric_dtype(column.dtype) and not types.is_complex_dtype(column.dtype):
            continue
        if not all(value is None or isinstance(value, (str, bool)) or value != value for value in column):
            raise InputError(f"Column {name} of the runner {cell.runner} holds neither numbers nor texts.")


def _digest(frame: pd.DataFrame, provenance: dict[str, Any]) -> str:
    """A hash of the provenance, the names and every value, so that damage anywhere shows."""
    import pandas as pd

    digest = hashlib.sha256(canonical_json([provenance, list(frame.columns)]).encode())
    for name in frame.columns:
        digest.update(pd.util.hash_pandas_object(frame[name], index=False).to_numpy().tobytes())
    return digest.hexdigest()

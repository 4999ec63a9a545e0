"""Results on disk: one .npz with the arrays, and what is not an array as JSON inside it."""

from __future__ import annotations

import hashlib
import json
import zipfile
from os import PathLike
from typing import Any, cast

import numpy as np

from ..argument_checks import text, whole
from ..errors import InputError
from .atomic import atomic_path
from .npz import read_npz
from .plain_values import anything, mapping, read_json, record

FORMAT = 1
"""Version of the layout; raised when older readers could misread a file."""

_META = "rankfall.json"
# files of rankfall 0.1 have no digest
_HEADER = record({"format": whole, "kind": text, "meta": mapping(anything)}, {"digest": text})


def save_archive(
    path: str | PathLike[str], arrays: dict[str, np.ndarray], meta: dict[str, Any], kind: str
) -> None:
    """Write arrays and metadata to one file, whole or not at all.

    Parameters
    ----------
    path : path
        Where; by custom it ends in ``.npz``. No suffix is added.
    arrays : dict of ndarray
        No arrays of Python objects.
    meta : dict
        Plain types, NumPy numbers and small arrays (which come back as lists).
    kind : str
        What the file holds, for example ``"completion"``.

    Raises
    ------
    InputError
        If the file cannot be written, or an array holds Python objects.

    Notes
    -----
    An uncompressed zip file: every array as ``name.npy``, so that :func:`numpy.load` reads them too, and
    ``rankfall.json`` with the metadata, the kind, the version of the layout, and a SHA-256 of all of these.
    Numbers come back to the bit; weights and residuals hardly compress.
    """
    for name, array in arrays.items():
        if np.asarray(array).dtype.hasobject:
            raise InputError(f"The array {name!r} holds Python objects, which are not written.")
    plain = json.loads(json.dumps(meta, default=_plain))
    content = {"format": FORMAT, "kind": kind, "digest": _digest(kind, plain, arrays), "meta": plain}
    header = json.dumps(content, indent=1)
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_META, header)
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)


def load_archive(
    path: str | PathLike[str], kind: str | None = None
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what :func:`save_archive` wrote.

    Parameters
    ----------
    path : path
    kind : str, optional
        Insist on this kind.

    Returns
    -------
    arrays : dict of ndarray
    meta : dict

    Raises
    ------
    InputError
        If there is no such file, it is damaged, it is none of ours, or of another kind, or was written by a
        later version of the layout.
    """
    arrays, raw = read_npz(path, (_META,))
    header = _header(path, raw)
    found, meta = header["kind"], header["meta"]
    if kind is not None and found != kind:
        raise InputError(f"{path} holds a {found}, not a {kind}.")
    if header.get("digest", "") not in ("", _digest(found, meta, arrays)):
        raise InputError(f"{path} is damaged: it does not hold what was written.")
    return arrays, meta


def archive_kind(path: str | PathLike[str]) -> str:
    """What kind of result a file holds, without reading its arrays.

    Raises
    ------
    InputError
        As :func:`load_archive`.
    """
    return _header(path, read_npz(path, (_META,), with_arrays=False)[1])["kind"]


def _header(path: str | PathLike[str], raw: dict[str, bytes]) -> dict[str, Any]:
    """Kind, metadata and digest."""
    if _META not in raw:
        raise InputError(f"{path} was not written by rankfall.")
    try:
        header = _HEADER("metadata", read_json("metadata", raw[_META]))
    except InputError as error:
        raise InputError(f"{path} is damaged: {error}") from error
    version = header["format"]
    if version > FORMAT:
        raise InputError(
            f"{path} was written by a later version of rankfall (format {version}, here {FORMAT})."
        )
    return header


def _digest(kind: str, meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> str:
    """A hash of all that a file says: what was changed since it was written is refused, not read.

    It tells damage, not malice: whoever forges a file can forge the digest, too, and the schemas still hold.
    """
    digest = hashlib.sha256(json.dumps([kind, meta], sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        digest.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        if array.nbytes:
            digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _plain(value: object) -> object:
    """What JSON has no word for: NumPy's numbers and arrays."""
    if isinstance(value, np.generic):
        return cast("np.generic[Any]", value).item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")

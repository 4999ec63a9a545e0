"""Heat maps as small PNG files with a palette: no drawing library, a few kilobytes each."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

# Viridis, at ten equal steps: ordered for every kind of colour vision and in grey, and without a neutral tone
# that could pass for the grey of a missing cell. (S. van der Walt, N. Smith, 2015, CC0.)
_ANCHORS = (
    (68, 1, 84), (72, 40, 120), (62, 73, 137), (49, 104, 142), (38, 130, 142),
    (31, 158, 137), (53, 183, 121), (110, 206, 88), (181, 222, 43), (253, 231, 37),
)  # fmt: skip
_LEVELS = 255  # one palette entry is left for "missing", which is transparent


def colours() -> np.ndarray:
    """The colour map, shape (255, 3), values 0 to 255."""
    at = np.linspace(0, len(_ANCHORS) - 1, _LEVELS)
    anchors = np.array(_ANCHORS, dtype=np.float64)
    columns = [np.interp(at, np.arange(len(_ANCHORS)), anchors[:, c]) for c in range(3)]
    return np.rint(np.column_stack(columns)).astype(np.uint8)


def heat_map(values: np.ndarray, low: float, high: float) -> str:
    """A data URI of one pixel per value; `low` and `high` are the ends of the colours, NaN is transparent."""
    scaled = (values - low) / (high - low) if high > low else np.where(np.isnan(values), np.nan, 0.5)
    level = np.clip(scaled, 0, 1) * (_LEVELS - 1)
    pixels = np.where(np.isnan(level), _LEVELS, np.nan_to_num(level)).round().astype(np.uint8)
    return "data:image/png;base64," + base64.b64encode(_encode(pixels)).decode("ascii")


def _encode(pixels: np.ndarray) -> bytes:
    height, width = pixels.shape
    palette = np.vstack([colours(), np.zeros((1, 3), np.uint8)])
    alpha = bytes([255] * _LEVELS + [0])
    # filter type 0 ("none") before each line
    lines = np.column_stack([np.zeros(height, np.uint8), pixels])
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", palette.tobytes()),
        (b"tRNS", alpha),
        (b"IDAT", zlib.compress(lines.tobytes(), 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

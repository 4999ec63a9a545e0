"""The figure of a study on its page: vectors where they are not too many, and a version for dark screens."""

from __future__ import annotations

import re
from pathlib import Path

from ...errors import InputError
from ...plot import style
from ..theme import DARK

# a page holds it twice, once for each theme, and must stay below 3 MB
_LARGEST = 600_000
_DARK = {
    "#ffffff": DARK["paper"],
    "#000000": DARK["ink"],
    style.INK: DARK["ink"],
    style.FALLEN: DARK["fallen"],
    style.TRAIN: DARK["train"],
    style.MISSING: DARK["missing"],
    style.STYLE["xtick.color"]: DARK["soft"],
    style.STYLE["grid.color"]: DARK["grid"],
    **dict(
        zip(
            style.SERIES,
            [DARK[role] for role in ("kept", "validation", "good", "violet", "amber")]
            + ["#7fd0e6", DARK["soft"], "#b9a4f0"],
            strict=True,
        )
    ),
}
"""The dark partner of every colour that our figures draw with."""
_PARTNERS = {light.lower(): dark for light, dark in _DARK.items()}
# from here on every channel of a colour is that of a tinted background
_PALE = 0xDC


def figure_file(folder: Path) -> bytes | None:
    """The figure of a study's folder: SVG if it is there and of moderate size, else PNG.

    None without either.
    """
    vectors, pixels = (_bytes(folder / f"figure.{kind}") for kind in ("svg", "png"))
    return vectors if vectors is not None and (len(vectors) <= _LARGEST or pixels is None) else pixels


def is_svg(picture: bytes) -> bool:
    """Whether a picture is made of vectors."""
    return b"<svg" in picture[:1000]


def darkened(picture: bytes) -> bytes:
    """An SVG file of ours with every colour replaced by its dark partner, pale ones by the panel's.

    Others stay.
    """
    text = picture.decode("utf-8", errors="replace")
    text = re.sub(r"#[0-9a-fA-F]{6}\b", lambda match: _partner(match[0].lower()), text)
    # what is black has no colour of its own in a file of matplotlib's
    return text.replace("<svg ", f'<svg style="fill: {DARK["ink"]}" ', 1).encode()


def _partner(color: str) -> str:
    pale = min(int(color[k : k + 2], 16) for k in (1, 3, 5)) >= _PALE
    return _PARTNERS.get(color, DARK["panel"] if pale else color)


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error

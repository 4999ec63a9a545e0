"""A grey photograph, bundled: a matrix whose errors can be seen."""

from __future__ import annotations

from importlib import resources

import numpy as np


def camera() -> np.ndarray:
    """A man with a camera on a tripod, in front of buildings.

    Returns
    -------
    ndarray of uint8, shape (512, 512)
        Grey values, 0 (black) to 255 (white).

    Notes
    -----
    The photograph is by Lav Varshney, who waived all rights to it (CC0). It is the picture of that name in
    scikit-image since version 0.18, where it replaced the older "cameraman". See ``data/README.md`` beside
    this module.
    """
    file = resources.files(__name__.rpartition(".")[0]) / "data" / "camera.npz"
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
        return stored["pixels"]

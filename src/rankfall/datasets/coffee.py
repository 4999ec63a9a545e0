"""Infrared spectra of coffee, bundled: samples x positions along the spectrum."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def coffee() -> pd.DataFrame:
    """Mid-infrared spectra of sixty cups of coffee from three countries, without gaps.

    Returns
    -------
    DataFrame, shape (60, 1841)
        One row per sample, named after its country and a number, as ``"Ethiopia 01"``: twenty each from
        Ethiopia, Brasil and Vietnam (the source's spelling). One column per position along the spectrum,
        numbered 0 to 1840. The values are absorbances.

    Notes
    -----
    Measured on brewed coffee by attenuated total reflectance (ATR-FTIR). The source does not record the
    wavenumbers. The two bands of liquid water, its bending near 1640 and its stretching near 3300 per
    centimetre, lie at positions 620 and 1528: the wavenumber increases by about 1.8 per centimetre from one
    position to the next. That is an estimate from the plot, not a calibration.

    The data come with the Python package chemotools [1]_, licence MIT; see ``data/README.md`` beside this
    module.

    References
    ----------
    .. [1] P. Cabaneros Lopez, chemotools 0.5.0, ``chemotools/datasets/data/coffee_spectra.csv``.
       https://paucablop.github.io/chemotools
    """
    import pandas as pd

    file = resources.files(__name__.rpartition(".")[0]) / "data" / "coffee.npz"
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
        # differences along the spectrum are small numbers, which compress better
        values = np.cumsum(stored["differences"], axis=1, dtype=np.int64) / float(stored["scale"])
        origins = [str(name) for name in stored["origins"]]
    seen: dict[str, int] = {}
    names = []
    for origin in origins:
        seen[origin] = seen.get(origin, 0) + 1
        names.append(f"{origin} {seen[origin]:02d}")
    index = pd.Index(names, name="sample")
    return pd.DataFrame(values, index=index, columns=pd.RangeIndex(values.shape[1], name="position"))

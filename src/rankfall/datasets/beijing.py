"""Beijing air quality, bundled: days x (station, hour)."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..argument_checks import one_of
from ..declared_arguments import declared

if TYPE_CHECKING:
    import pandas as pd

_FILES = {"PM2.5": "beijing_pm25.npz", "temperature": "beijing_temperature.npz"}
# marks a missing cell in the stored 16-bit integers
MISSING = np.iinfo(np.int16).min


@declared
def beijing(quantity: Literal["PM2.5", "temperature"] = "PM2.5") -> pd.DataFrame:
    """Four years of hourly measurements at twelve stations in Beijing, with their natural gaps.

    Parameters
    ----------
    quantity : {"PM2.5", "temperature"}
        Fine particles in micrograms per cubic metre (2.1% of the cells are missing), or air temperature in
        degrees Celsius (0.1% missing).

    Returns
    -------
    DataFrame, shape (1461, 288)
        One row per day, 1 March 2013 to 28 February 2017; one column per station and hour of the day,
        named as ``"Aotizhongxin 00h"``. NaN where nothing was measured.

    Notes
    -----
    The data are the UCI Machine Learning Repository's "Beijing Multi-Site Air Quality" [1]_, licence
    CC BY 4.0; only the layout was changed. See ``data/README.md`` beside this module.

    References
    ----------
    .. [1] S. Zhang, B. Guo, A. Dong, J. He, Z. Xu, S. X. Chen (2017). Cautionary tales on air-quality
       improvement in Beijing. Proceedings of the Royal Society A 473: 20170457.
       https://doi.org/10.1098/rspa.2017.0457. Data: https://doi.org/10.24432/C5RK5G.
    """
    import pandas as pd

    one_of("quantity", quantity, tuple(_FILES))
    file = resources.files(__name__.rpartition(".")[0]) / "data" / _FILES[quantity]
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
        scaled, scale = stored["scaled"], float(stored["scale"])
        first_day, stations = str(stored["first_day"]), [str(name) for name in stored["stations"]]
    values = np.where(scaled == MISSING, np.nan, scaled / scale)
    days = pd.date_range(first_day, periods=len(values), freq="D", name="date")
    return pd.DataFrame(values, index=days, columns=[f"{s} {h:02d}h" for s in stations for h in range(24)])

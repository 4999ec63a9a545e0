"""Make the bundled coffee spectra from the files of the Python package chemotools.

They are ``coffee_spectra.csv`` and ``coffee_labels.csv`` in ``chemotools/datasets/data`` of its wheel
(fetch it with ``pip download --no-deps chemotools==0.5.0`` and unzip it anywhere outside the repository).

    python scripts/make_coffee.py path/to/chemotools/datasets/data
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

FILE = Path(__file__).parents[1] / "src" / "rankfall" / "datasets" / "data" / "coffee.npz"
# a millionth of an absorbance is far below what the instrument resolves
SCALE = 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    spectra = pd.read_csv(folder / "coffee_spectra.csv").to_numpy()
    origins = pd.read_csv(folder / "coffee_labels.csv")["labels"].to_numpy()
    if spectra.shape != (60, 1841) or len(origins) != 60 or not np.isfinite(spectra).all():
        raise SystemExit(
            f"Expected 60 spectra of 1841 numbers, found {spectra.shape}, {len(origins)} labels."
        )
    whole = np.round(spectra * SCALE).astype(np.int32)
    np.savez_compressed(
        FILE,
        differences=np.diff(whole, axis=1, prepend=np.int32(0)),
        scale=np.float64(SCALE),
        origins=origins.astype(str),
    )
    print(f"{FILE.name}: {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()

"""Make the bundled photograph from ``camera.png`` of the Python package scikit-image.

It is in ``skimage/data`` of the wheel (fetch it with ``pip download --no-deps scikit-image==0.26.0`` and
unzip it anywhere outside the repository).

    python scripts/make_camera.py path/to/skimage/data/camera.png
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
from matplotlib.image import imread

FILE = Path(__file__).parents[1] / "src" / "rankfall" / "datasets" / "data" / "camera.npz"
# as in scikit-image's own registry of data: the picture that is CC0, not the older one
SHA256 = "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("png", type=Path)
    png = parser.parse_args().png
    if hashlib.sha256(png.read_bytes()).hexdigest() != SHA256:
        raise SystemExit(f"{png} is not the camera.png of scikit-image since version 0.18.")
    pixels = np.round(imread(png) * 255).astype(np.uint8)  # matplotlib reads a grey PNG as 0 to 1
    np.savez_compressed(FILE, pixels=pixels)
    print(f"{FILE.name}: {pixels.shape}, {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()

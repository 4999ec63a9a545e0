"""Run the examples and save the last picture of each, as PNG.

    python scripts/run_examples.py [--output examples-output] [NAME ...]

NAME is the name of an example without folder and ending, as ``plot_sensors``; all by default. The examples
are run one after the other, each as a user would run it, but with pictures that are saved and not shown.
"""

from __future__ import annotations

import argparse
import runpy
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXAMPLES = Path(__file__).parents[1] / "examples"


def names() -> list[str]:
    """The examples there are, in the order of their names."""
    return sorted(path.stem for path in EXAMPLES.glob("plot_*.py"))


def run(name: str) -> list[Figure]:
    """Execute one example; the figures it left open."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    path = EXAMPLES / f"{name}.py"
    plt.close("all")
    # an example reads sys.argv and changes matplotlib's settings; nothing of it may outlive the run
    with (
        patch.object(sys, "argv", [str(path)]),
        mpl.rc_context(),
        warnings.catch_warnings(),
    ):
        plt.switch_backend("agg")
        warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")
        runpy.run_path(str(path), run_name="__main__")
        return [plt.figure(number) for number in plt.get_fignums()]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--output", type=Path, default=Path("examples-output"))
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(names())
    if unknown:
        parser.error(f"there is no example {', '.join(sorted(unknown))}; there are {', '.join(names())}")
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or names():
        print(f"-- {name}", flush=True)
        started = time.perf_counter()
        figures = run(name)
        seconds = time.perf_counter() - started
        picture = arguments.output / f"{name.removeprefix('plot_')}.png"
        figures[-1].savefig(picture, dpi=160)
        print(f"-- {picture}, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()

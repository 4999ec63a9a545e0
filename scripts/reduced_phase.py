"""A part of the study `phase` that takes a quarter of the time of the whole, `rankfall study phase`.

    python scripts/reduced_phase.py study-output/phase-reduced

All problems of its first two claims, with half as many steps; fewer problems, ridges and steps elsewhere.
Cells that are in the folder are not computed again. Prints the claims and the table of problems.
"""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path

from rankfall.lab import claims_markdown, run_sweep
from rankfall.lab.packaged_study import write_results
from rankfall.lab.studies import study_module, study_path
from rankfall.lab.sweep.config import make_study
from rankfall.lab.sweep.status import open_sweep

# seeds of the problems outside the first claims, and settings that differ from the full study's
SEEDS = 6
STEPS = {"falls": 150_000, "band": 60_000, "noise": 60_000, "batch": 60_000}
SETTINGS = {"descent_steps": 5000, "polish_steps": 5000}
PLANS = {"band": {"shares": [0.8, 0.9, 0.95, 0.98]}, "noise": {"shares": [0.9, 0.99], "relative_lrs": [2.5]}}
LEFT_OUT = ({"part": "band", "network.depth": 4}, {"part": "noise", "problem.noise": 0.1})


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    path = study_path("phase")
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    del content["quick"]
    content["settings"] |= SETTINGS
    for part, n_steps in STEPS.items():
        content["settings"]["plan"][part] |= {"n_steps": n_steps, **PLANS.get(part, {})}
    seeds = content.pop("grid")["problem.seed"]
    content["cases"] = [
        case | {"problem.seed": seed}
        for case in content["cases"]
        if case not in LEFT_OUT
        for seed in (seeds if case["part"] == "falls" else seeds[:SEEDS])
    ]
    sweep = run_sweep(make_study(content, str(path)), out, n_workers=1)
    result = write_results("phase", sweep, out, "python scripts/reduced_phase.py study-output/phase-reduced")
    print(claims_markdown(result.claims))
    table = study_module("phase").by_problem(open_sweep(out))
    print("| " + " | ".join(table) + " |\n|" + "---|" * table.shape[1])
    for row in table.to_dict("records"):
        cells = (f"{value:.3g}" if isinstance(value, float) else f"{value}" for value in row.values())
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()

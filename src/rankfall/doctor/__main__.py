"""``python -m rankfall.doctor``: the report in plain text, also where the command line cannot start."""

import sys

from . import examine

if __name__ == "__main__":
    report = examine(told=lambda check: print(check, flush=True))
    print(report.verdict)
    sys.exit(0 if report.ok else 3)

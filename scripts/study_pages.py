"""Put the figures and tables of full studies into the pages of docs/studies; the prose there stays, and
must be read again.

    rankfall study all --out study-output
    python scripts/study_pages.py study-output

Of every study in the folder the figure is copied, and the table of claims with its rules replaces the one on
the study's page. Lines that change are printed, so that one sees which sentences of the page to look at.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from pathlib import Path

from rankfall.files import atomic_path

PAGES = Path(__file__).parent.parent / "docs" / "studies"
# a table of claims, the sentence on the rules, and the numbered rules
CLAIMS = re.compile(r"\| \| claim \|.*?\n\nRules of the verdicts[^\n]*\n+(?:\d+\. [^\n]*\n)+", re.DOTALL)


def renewed(page: str, claims: str) -> str:
    """The page with another table of claims and other rules."""
    table = CLAIMS.search(claims)
    if table is None:
        raise SystemExit("claims.md holds no table of claims with its rules.")
    page, count = CLAIMS.subn(lambda _: table.group(), page)
    if count != 1:
        raise SystemExit(f"The page holds {count} tables of claims instead of one.")
    return page


def write(path: Path, content: bytes) -> None:
    with atomic_path(path) as temporary:
        Path(temporary).write_bytes(content)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("results", type=Path, help="folder in which every study has a folder of its own")
    folders = sorted(path.parent for path in parser.parse_args().results.glob("*/claims.md"))
    if not folders:
        raise SystemExit("There is no finished study in this folder (NAME/claims.md).")
    for folder in folders:
        claims = (folder / "claims.md").read_text(encoding="utf-8")
        if "--quick" in claims.partition("\n")[0]:
            raise SystemExit(f"{folder.name} is a quick run; the pages show full ones.")
        page = PAGES / f"{folder.name}.md"
        before = page.read_text(encoding="utf-8")
        after = renewed(before, claims)
        write(PAGES / f"{folder.name}.png", (folder / "figure.png").read_bytes())
        write(page, after.encode())
        sys.stdout.writelines(
            difflib.unified_diff(before.splitlines(True), after.splitlines(True), page.name, page.name, n=0)
        )


if __name__ == "__main__":
    main()

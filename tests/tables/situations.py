"""Tables as people have them, one situation each: what comes in, and what must come out.

Nearly all are one table of rank 1 whose two missing cells are known to be 2 and 21, written in another way.
"""

from __future__ import annotations

import gzip
import io
import re
import zipfile
from dataclasses import dataclass

import numpy as np
import openpyxl
import pandas as pd

ROWS, COLUMNS = (2, 3, 5, 7, 11, 13), (1, 2, 3, 5)
PLAIN = "site,p,q,r,s\na,,4,6,10\nb,3,6,9,15\nc,5,10,15,25\nd,7,14,,35\ne,11,22,33,55\nf,13,26,39,65\n"
FILLED = PLAIN.replace("a,,4", "a,2,4").replace("14,,35", "14,21,35")
TRIPLETS = [
    (f"u{i}", f"m{j}", a * b)
    for i, a in enumerate(ROWS)
    for j, b in enumerate(COLUMNS)
    if (i, j) not in ((0, 0), (3, 2))
]
WIDE = "user,m0,m1,m2,m3\n" + "".join(
    f"u{i},{','.join(str(a * b) for b in COLUMNS)}\n" for i, a in enumerate(ROWS)
)
# in the order in which the labels first appear
WIDE_AS_LISTED = (
    "\n".join(
        ",".join([line.split(",")[0], *line.split(",")[2:], line.split(",")[1]]) for line in WIDE.splitlines()
    )
    + "\n"
)


# as floating point numbers show themselves
FLOATS = re.sub(r"(\d+)", r"\1.0", FILLED)


@dataclass(frozen=True)
class Situation:
    """A file, what is asked for, and the outcome.

    Attributes
    ----------
    content : str or bytes
        The file IN.
    name : str
        Its name; ``-`` puts it on stdin.
    args : tuple of str
        Further words of the command.
    out : str, bytes or None
        What OUT must hold, to the letter. None: see `cells`.
    out_name : str
        The name of OUT; ``-`` is stdout.
    cells : object
        For files that are no text: the frame that OUT must hold.
    notes : tuple of str
        What must be printed.
    error : str
        The sentence that refuses it must contain this; nothing is written then.
    """

    content: str | bytes
    name: str = "in.csv"
    args: tuple[str, ...] = ()
    out: str | bytes | None = None
    out_name: str = "out.csv"
    cells: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()
    error: str = ""


def zipped(**files: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return file.getvalue()


def frame(**columns: object) -> pd.DataFrame:
    """The table as a frame, with further columns after the first."""
    values = np.outer(ROWS, COLUMNS).astype(float)
    values[0, 0] = values[3, 2] = np.nan
    return pd.DataFrame({"site": list("abcdef"), **columns, **dict(zip("pqrs", values.T, strict=True))})


def filled(**columns: object) -> pd.DataFrame:
    return frame(**columns).fillna({"p": 2.0, "r": 21.0})


def parquet(table: pd.DataFrame) -> bytes:
    file = io.BytesIO()
    table.to_parquet(file)
    return file.getvalue()


def feather(table: pd.DataFrame) -> bytes:
    file = io.BytesIO()
    table.to_feather(file)
    return file.getvalue()


def workbook(*rows: tuple[object, ...], sheets: tuple[str, ...] = ("Data",), left: int = 0) -> bytes:
    """A workbook whose last sheet holds these rows."""
    book = openpyxl.Workbook()
    book.remove(book.active)  # type: ignore[arg-type]
    for name in sheets:
        sheet = book.create_sheet(name)
    for row in rows:
        sheet.append([None] * left + list(row))
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def excel_rows() -> list[tuple[object, ...]]:
    table = frame().astype(object).where(frame().notna(), None)
    return [tuple(table.columns), *table.itertuples(index=False, name=None)]


def with_column(name: str, cells: list[object], at: int = 5, text: str = PLAIN) -> str:
    """A CSV table with one more column."""
    lines = [line.split(",") for line in text.splitlines()]
    for line, cell in zip(lines, [name, *cells], strict=True):
        line.insert(at, str(cell))
    return "\n".join(map(",".join, lines)) + "\n"


def long(holes: str = "", k: int = 12) -> str:
    """A table of more rows, of rank 1 but for rounding, in which nothing rises evenly."""
    rng = np.random.default_rng(3)
    values = np.outer(rng.uniform(1, 9, k), [3, 1, 4, 1.5])
    lines = [",".join(["site", *"pqrs"])]
    lines += [",".join([f"r{i}", *(f"{x:.2f}" for x in row)]) for i, row in enumerate(values)]
    lines[3] = lines[3].rsplit(",", 1)[0] + "," + holes
    return "\n".join(lines) + "\n"


def replaced(text: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


DATES = pd.date_range("2024-01-01", periods=6)
KINDS = pd.Categorical(["x", "y", "x", "y", "x", "y"])
INTS = pd.array([None, 3, 5, 7, 11, 13], dtype="Int64")
TITLE = "Sales of the year\n"
LISTED = "user,item,rating\n" + "".join(f"{u},{m},{x}\n" for u, m, x in TRIPLETS)
LOG = "time,user,item,rating\n" + "".join(f"{90 - k},{u},{m},{x}\n" for k, (u, m, x) in enumerate(TRIPLETS))
U_DATA = "".join(f"{u[1:]}\t{m[1:]}\t{x}\t{881250949 + k}\n" for k, (u, m, x) in enumerate(TRIPLETS))
U_WIDE = "row\t0\t1\t2\t3\n" + "".join(
    "\t".join([str(i), *(str(a * b) for b in COLUMNS)]) + "\n" for i, a in enumerate(ROWS)
)
EUROS = "site;p;q\na;€ 1.000,50;2,5\nb;;5\nc;€ 4.002,00;10\nd;€ 500,25;1,25\ne;€ 250,125;0,625\n"
SITUATIONS: dict[str, Situation] = {
    # -- where it comes from and goes to
    "plain": Situation(PLAIN, out=FILLED),
    "gzip in": Situation(gzip.compress(PLAIN.encode()), "in.csv.gz", out=FILLED),
    "zip in": Situation(zipped(**{"data.csv": PLAIN}), "in.zip", out=FILLED),
    "zip from a Mac": Situation(
        zipped(**{"data.csv": PLAIN, "__MACOSX/._data.csv": "x"}), "in.zip", out=FILLED
    ),
    "stdin": Situation(PLAIN, "-", out=FILLED),
    "stdin, compressed": Situation(gzip.compress(PLAIN.encode()), "-", out=FILLED),
    "stdin, zipped": Situation(zipped(**{"data.csv": PLAIN}), "-", out=FILLED),
    "stdin, Parquet": Situation(parquet(frame()), "-", out=FLOATS),
    "stdin, Excel": Situation(workbook(*excel_rows()), "-", out=FILLED),
    "stdout": Situation(PLAIN, out=FILLED, out_name="-"),
    "gzip out": Situation(PLAIN, out=FILLED, out_name="out.csv.gz"),
    "zip out": Situation(PLAIN, out=FILLED, out_name="out.zip"),
    "no known suffix": Situation(PLAIN, "table.data", out=FILLED),
    "damaged gzip": Situation(gzip.compress(PLAIN.encode())[:-12], "in.csv.gz", error="not a .gz file"),
    "not a zip": Situation(b"PK\3\4nonsense", "in.zip", error="not a .zip file"),
    "two tables in a zip": Situation(
        zipped(**{"a.csv": PLAIN, "b.csv": PLAIN}),
        "in.zip",
        error="exactly one table, not 2 files (a.csv, b.csv)",
    ),
    "a format of others": Situation(PLAIN, "in.ods", error="must end in .csv"),
    "empty stdin": Situation("", "-", error="stdin is empty"),
    # -- above and beside the table
    "a title": Situation(TITLE + PLAIN, error="if the first line is a title, --skip 1 leaves it out"),
    "a title of cells": Situation(
        "Sales,,,,\n,,,,\n" + PLAIN, error="if the first 2 lines are a title, --skip 2 leaves them out"
    ),
    "a title over two columns": Situation(
        TITLE + "month,sales\n1.5,2\n2.5,3\n", error="if the first line is a title, --skip 1 leaves it out"
    ),
    "a title skipped": Situation(TITLE + PLAIN, args=("--skip", "1"), out=TITLE + FILLED),
    "skipped too far": Situation(PLAIN, args=("--skip", "9"), error="is empty after 9 lines"),
    "comments": Situation(
        f"# made by hand\n{PLAIN}# end\n",
        out=f"# made by hand\n{FILLED}# end\n",
        notes=("Lines that begin with # were read as comments.",),
    ),
    "a header in a comment": Situation(
        f"# made by hand\n# {PLAIN}", out=f"# made by hand\n# {FILLED}", notes=("read as comments",)
    ),
    "a comment with commas": Situation(f"# a, b, c, d, e\n{PLAIN}", out=f"# a, b, c, d, e\n{FILLED}"),
    "rows called by number sign": Situation(
        PLAIN.replace("\na,", "\n#1,").replace("\nb,", "\n#2,"),
        out=FILLED.replace("\na,", "\n#1,").replace("\nb,", "\n#2,"),
    ),
    "text and dates beside the data": Situation(
        with_column("day", list(DATES.strftime("%Y-%m-%d")), 2, with_column("who", list("uvwxyz"))),
        args=("--aside", "day", "--aside", "who"),
        out=with_column(
            "day", list(DATES.strftime("%Y-%m-%d")), 2, with_column("who", list("uvwxyz"), text=FILLED)
        ),
    ),
    "text beside the data, not named": Situation(
        with_column("day", list(DATES.strftime("%Y-%m-%d"))), error="--aside day keeps what is no measurement"
    ),
    "beside the data without a header": Situation(
        with_column("no", [7, 1, 9, 4, 4, 2]).partition("\n")[2],
        args=("--aside", "4"),
        out=with_column("no", [7, 1, 9, 4, 4, 2], text=FILLED).partition("\n")[2],
    ),
    "no such position": Situation(
        PLAIN.partition("\n")[2], args=("--aside", "p"), error="it has no header: name a position from 0 to 3"
    ),
    # -- what separates the cells
    "blanks": Situation(
        replaced(PLAIN, (",,", ",NA,"), (",,", ",NA,")).replace(",", " "),
        "in.txt",
        out=FILLED.replace(",", " "),
    ),
    "aligned columns": Situation(
        "p    q\n1.5    2\n3      4\n NA   8\n 6    8\n",
        "in.dat",
        out="p    q\n1.5    2\n3      4\n6.0   8\n 6    8\n",
    ),
    "double colons": Situation(
        U_DATA.replace("\t", "::"), "ratings.dat", args=("--triplets",), out=U_WIDE.replace("\t", "::")
    ),
    "tabs": Situation(PLAIN.replace(",", "\t"), "in.tsv", out=FILLED.replace(",", "\t")),
    "bars": Situation(PLAIN.replace(",", "|"), "in.txt", out=FILLED.replace(",", "|")),
    "names as NumPy writes them": Situation(
        "# p q\n1.5 3.0\n2.5 5.0\nnan 6.0\n1.0 2.0\n",
        "in.txt",
        out="# p q\n1.5 3.0\n2.5 5.0\n3.0 6.0\n1.0 2.0\n",
    ),
    # -- what is missing
    "-999": Situation(PLAIN.replace(",,", ",-999,"), args=("--missing", "-999"), out=FILLED),
    "-999 in another spelling": Situation(
        PLAIN.replace(",,", ",-999.0,"), args=("--missing", "-999"), out=FILLED
    ),
    "two marks": Situation(
        replaced(PLAIN, ("a,,", "a,9999,"), ("14,,", "14,?,")),
        args=("--missing", "9999", "--missing", "?"),
        out=FILLED,
    ),
    "-999 believed": Situation(
        replaced(PLAIN, ("11,22", "11,-999")),
        notes=("-999 in 1 cell of column q (the others: 4 to 26)", "use --missing -999"),
    ),
    "9999 believed": Situation(
        replaced(PLAIN, ("11,22", "11,9999")), notes=("9999 in 1 cell of column q (the others: 4 to 26)",)
    ),
    "-1 believed": Situation(
        replaced(long(), (long().splitlines()[5], "r4,-1,1,2,3"), (long().splitlines()[6], "r5,-1,4,5,6")),
        notes=("-1 in 2 cells of column p",),
    ),
    "0 believed": Situation(
        "site,p,q\n"
        + "".join(
            f"r{k},{x},{k * k % 7 + 0.5}\n"
            for k, x in enumerate([0, 50, 51, 53, 52, 55, 57, 54, 59, 60, 62, ""])
        ),
        notes=("0 in 1 cell of column p (the others: 50 to 62)", "--missing 0"),
    ),
    "zeros for unknown ratings": Situation(
        "user,a,b,c,d\nx,5,0,0,1\ny,0,4,0,2\nz,3,0,5,0\nw,0,0,2,1\n",
        notes=("No cell is missing, but 50% of the cells hold 0",),
    ),
    "a mark nobody uses": Situation(
        PLAIN, args=("--missing", "-99"), out=FILLED, notes=("No cell holds -99",)
    ),
    "a question mark": Situation(
        PLAIN.replace(",,", ",?,"), error='if it stands for a missing value, use --missing "?"'
    ),
    "a question mark named": Situation(PLAIN.replace(",,", ",?,"), args=("--missing", "?"), out=FILLED),
    "a word": Situation(PLAIN.replace(",,", ",n.d.,"), error="use --missing n.d."),
    "below the limit, among words": Situation(
        replaced(PLAIN, ("a,,", "a,<2.5,"), ("b,3,", "b,few,")),
        error="limit of detection, not a value: write a number, or treat all",
    ),
    "below the limit, missing": Situation(
        replaced(PLAIN, ("a,,", "a,<2.5,"), ("14,,", "14,< 25,")), args=("--missing", "<*"), out=FILLED
    ),
    "an error of a spreadsheet": Situation(
        PLAIN.replace("a,,", "a,#DIV/0!,"), error='treat it as missing with --missing "#DIV/0!"'
    ),
    "an error of a spreadsheet, missing": Situation(
        PLAIN.replace("a,,", "a,#DIV/0!,"), args=("--missing", "#DIV/0!"), out=FILLED
    ),
    "infinity": Situation(PLAIN.replace("a,,", "a,inf,"), error="use --missing inf"),
    "infinity, missing": Situation(PLAIN.replace("a,,", "a,inf,"), args=("--missing", "inf"), out=FILLED),
    # -- how numbers are written
    "dollars": Situation(
        "site,p,q\na,$20.50,1\nb,,2\nc,$61.50,3\nd,$82.00,4\n",
        out="site,p,q\na,$20.50,1\nb,$41.00,2\nc,$61.50,3\nd,$82.00,4\n",
        notes=("Column p was read as numbers: '$20.50' as 20.5.",),
    ),
    "dollars in two columns": Situation(
        "site,p,q\na,$20.50,$1\nb,,$2\nc,$61.50,$3\nd,$82.00,$4\n",
        out="site,p,q\na,$20.50,$1\nb,$41.00,$2\nc,$61.50,$3\nd,$82.00,$4\n",
        notes=("Columns p and q were read as numbers: '$20.50' as 20.5.",),
    ),
    "percent": Situation(
        "site,p,q\na,10%,1\nb,,2\nc,30%,3\nd,40%,4\n",
        out="site,p,q\na,10%,1\nb,20%,2\nc,30%,3\nd,40%,4\n",
        notes=("'10%' as 10.",),
    ),
    "thousands": Situation(
        'site,p,q\na,"1,000.5",1\nb,,2\nc,"3,001.5",3\nd,500.25,0.5\n',
        out='site,p,q\na,"1,000.5",1\nb,"2,001.00",2\nc,"3,001.5",3\nd,500.25,0.5\n',
        notes=("'1,000.5' as 1000.5.",),
    ),
    "euros": Situation(EUROS, out=EUROS.replace("b;;", "b;€ 2.001,000;"), notes=("'€ 1.000,50' as 1000.5.",)),
    "only some with a sign": Situation(
        "site,p,q\na,$20.42,1\nb,40.84,2\nc,$61.26,3\nd,,4\n",
        error="write all numbers of a column alike, with the same sign or unit or without any",
    ),
    "units": Situation("site,p,q\na,1.5 mg,1\nb,0.003 g,2\nc,,4\n", error="write numbers without units"),
    "a line of totals": Situation(
        "nr,p,q\n7,1.5,1\n9,,2\n4,3.5,3\nSumme,5.0,6\n", error="a line of totals is no row of the table"
    ),
    "negative numbers of accounts": Situation(
        "site,p,q\na,(2.55),1\nb,1.5,2\nc,,4\n", error="with a minus sign in front"
    ),
    "decimal commas between commas": Situation(
        'site,p,q\na,"1212,50",1\nb,,2\nc,"3,5",4\n', error="with a decimal point, or export the table"
    ),
    "errors of a German spreadsheet": Situation(
        "site,p,q\na,#NV,1\nb,1.5,2\nc,2.5,4\n", error="it is an error of a spreadsheet"
    ),
    "ambiguous commas": Situation("site;p\na;1,234\nb;5,678\n", error="could separate thousands or decimals"),
    "millions": Situation(
        "site;p;q\na;1,000,000;1\nb;;2\nc;3,000,000;3\n",
        out="site;p;q\na;1,000,000;1\nb;2,000,000;2\nc;3,000,000;3\n",
    ),
    "decimal commas": Situation(
        "site;p;q\na;1,5;1\nb;;2\nc;4,5;3\n", out="site;p;q\na;1,5;1\nb;3,0;2\nc;4,5;3\n"
    ),
    "as many decimals as the column has": Situation(
        "site,p,q\na,1.50,1\nb,,2\nc,4.50,3\nd,6.00,\n",
        out="site,p,q\na,1.50,1\nb,3.00,2\nc,4.50,3\nd,6.00,4\n",
    ),
    "whole numbers": Situation(
        "site,p,q\na,1,3\nb,2,\nc,,9\nd,4,11\n",
        notes=("Only whole numbers were observed, and filled in, in every column",),
    ),
    "not rounded": Situation(
        "site,p,q\na,3,1.5\nb,2,1.0\nc,5,\nd,,0.25\n",
        args=("--no-round",),
        out="site,p,q\na,3,1.5\nb,2,1.0\nc,5,2.5\nd,0.5,0.25\n",
    ),
    # -- labels
    "ids in the last column": Situation(
        with_column("id", list(range(1001, 1013)), text=long()),
        notes=("Column id rises in even steps (1001 to 1012)", "--aside id"),
    ),
    "ids in the middle": Situation(
        with_column("id no", list(range(12, 0, -1)), 2, text=long()),
        notes=("Column id no falls in even steps (1 to 12)", '--aside "id no"'),
    ),
    "ids without a header": Situation(
        with_column("id", list(range(1001, 1013)), text=long()).partition("\n")[2],
        notes=("Column 4 rises", "--aside 4"),
    ),
    # -- lists of cells
    "triplets read as a table": Situation(
        "".join(f"{u[1:]},{m[1:]},{x}\n" for u, m, x in TRIPLETS),
        notes=("each line looks like one cell", "--triplets"),
    ),
    "triplets of words": Situation(LISTED, error="read them as triplets: --triplets"),
    "triplets": Situation(LISTED, args=("--triplets",), out=WIDE_AS_LISTED),
    "MovieLens": Situation(
        U_DATA,
        "u.data",
        args=("--triplets",),
        out=U_WIDE,
        notes=("Column 0 was read as row, 1 as column and 2 as value; 3 was left out",),
    ),
    "further columns": Situation(
        LOG, args=("--row", "user", "--column", "item", "--value", "rating"), out=WIDE_AS_LISTED
    ),
    "further columns by position": Situation(
        LOG.partition("\n")[2],
        args=("--row", "1", "--column", "2", "--value", "3"),
        out=WIDE_AS_LISTED.replace("user,", "row,"),
    ),
    "no such column": Situation(
        LOG, args=("--row", "who"), error="no column 'who' for --row; its columns are 'time', 'user'"
    ),
    "one column twice": Situation(
        LOG, args=("--row", "user", "--column", "user"), error="three different columns"
    ),
    "triplets with a mark": Situation(
        LISTED + "u0,m0,-1\n", args=("--triplets", "--missing", "-1"), out=WIDE_AS_LISTED
    ),
    "triplets with a word": Situation(LISTED + "u0,m0,?\n", args=("--triplets",), error='use --missing "?"'),
    "triplets in Parquet": Situation(
        parquet(pd.DataFrame(TRIPLETS, columns=["user", "item", "rating"])),
        "in.parquet",
        args=("--triplets",),
        out=WIDE_AS_LISTED,
    ),
    "triplets in Excel": Situation(
        workbook(("user", "item", "rating"), *TRIPLETS), "in.xlsx", args=("--triplets",), out=WIDE_AS_LISTED
    ),
    # -- Parquet and Feather
    "Parquet": Situation(parquet(frame()), "in.parquet", out_name="out.parquet", cells=filled()),
    "Feather": Situation(feather(frame()), "in.feather", out_name="out.feather", cells=filled()),
    "Parquet with dates, text and categories": Situation(
        parquet(frame(day=DATES, kind=KINDS, who=list("uvwxyz"))),
        "in.parquet",
        args=("--aside", "day", "--aside", "kind", "--aside", "who"),
        out_name="out.parquet",
        cells=filled(day=DATES, kind=KINDS, who=list("uvwxyz")),
    ),
    "Parquet with text, not named": Situation(
        parquet(frame(day=DATES, kind=KINDS)),
        "in.parquet",
        error="column 'kind' ('x'); --aside day --aside kind keeps what is no measurement as it is",
    ),
    "Parquet with whole numbers": Situation(
        parquet(frame().assign(p=INTS)),
        "in.parquet",
        out_name="out.parquet",
        cells=filled().assign(p=pd.array([2, 3, 5, 7, 11, 13], dtype="Int64")),
        notes=("Only whole numbers were observed, and filled in, in p",),
    ),
    "Parquet with numbers as text": Situation(
        parquet(frame().assign(p=[None, "3.0", "5.0", "7.0", "11.0", "13.0"])),
        "in.parquet",
        out_name="out.parquet",
        cells=filled().assign(p=["2.0", "3.0", "5.0", "7.0", "11.0", "13.0"]),
        notes=("Column p holds text, which was read as numbers.",),
    ),
    "Parquet with -999": Situation(
        parquet(frame().fillna(-999)),
        "in.parquet",
        args=("--missing", "-999"),
        out_name="out.parquet",
        cells=filled(),
    ),
    "Parquet with text to CSV": Situation(
        parquet(frame(who=list("uvwxyz")).astype({"q": int})),
        "in.parquet",
        args=("--aside", "who"),
        out=with_column("who", list("uvwxyz"), 1, re.sub(r"\.0,(\d+)\.0,", r".0,\1,", FLOATS)),
    ),
    "CSV with text to Parquet": Situation(
        with_column("who", list("uvwxyz"), 1),
        args=("--aside", "who"),
        out_name="out.parquet",
        cells=filled(who=list("uvwxyz")).set_index("site").astype(dict.fromkeys("pqrs", "Int64")),
    ),
    "lines cannot be skipped there": Situation(
        parquet(frame()), "in.parquet", args=("--skip", "1"), error="text tables and workbooks only"
    ),
    # -- Excel
    "Excel": Situation(workbook(*excel_rows()), "in.xlsx", out_name="out.xlsx", cells=filled()),
    "Excel to CSV": Situation(workbook(*excel_rows()), "in.xlsx", out=FILLED),
    "Excel, not at the edge": Situation(workbook((), *excel_rows(), left=2), "in.xlsx", out=FILLED),
    "Excel with a title": Situation(
        workbook(("Sales",), (), *excel_rows()), "in.xlsx", error="if the first 2 lines are a title, --skip 2"
    ),
    "Excel with a title, skipped": Situation(
        workbook(("Sales",), (), *excel_rows()), "in.xlsx", args=("--skip", "2"), out=FILLED
    ),
    "Excel with an empty column": Situation(
        workbook(*((*row[:3], None, *row[3:]) for row in excel_rows())),
        "in.xlsx",
        out="\n".join(re.sub(r"^((?:[^,]*,){3})", r"\1,", line) for line in FILLED.splitlines()) + "\n",
    ),
    "Excel with several sheets": Situation(
        workbook(*excel_rows(), sheets=("Cover", "Data")),
        "in.xlsx",
        out=FILLED,
        notes=("The sheet 'Data' was read; --sheet chooses another (Cover).",),
    ),
    "Excel, a sheet by name": Situation(
        workbook(*excel_rows(), sheets=("Cover", "Data")), "in.xlsx", args=("--sheet", "Data"), out=FILLED
    ),
    "Excel, no such sheet": Situation(
        workbook(*excel_rows()),
        "in.xlsx",
        args=("--sheet", "data"),
        error="no sheet 'data'; its sheets are 'Data'",
    ),
    "Excel with text and dates": Situation(
        workbook(
            *(
                (*row[:1], extra, *row[1:])
                for row, extra in zip(excel_rows(), ["day", *DATES.to_pydatetime()], strict=True)
            )
        ),
        "in.xlsx",
        args=("--aside", "day"),
        out_name="out.xlsx",
        cells=filled(day=DATES),
    ),
    "CSV to Excel": Situation(PLAIN, out_name="out.xlsx", cells=filled().astype(dict.fromkeys("pqrs", int))),
    "no workbook": Situation(b"PK\3\4nonsense", "in.xlsx", error="not an Excel workbook"),
    "a sheet of a text table": Situation(
        PLAIN, args=("--sheet", "Data"), error="--sheet is for Excel workbooks"
    ),
}

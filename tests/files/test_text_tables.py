"""Text tables: what is recognised, what is kept, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rankfall.errors import InputError
from rankfall.files import Table, read_table, write_table
from rankfall.files.missing_marks import MISSING
from rankfall.files.notation import format_filled

NAN = float("nan")


@pytest.fixture
def read(tmp_path: Path):
    def reader(text: str | bytes, name: str = "x.csv", **options: object) -> Table:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_table(path, **options)  # type: ignore[arg-type]

    return reader


@pytest.fixture
def fill(tmp_path: Path, read):
    def filler(
        text: str | bytes, value: float | list = 9.0, name: str = "x.csv", out: str = "o.csv"
    ) -> bytes:
        table = read(text, name)
        write_table(tmp_path / out, table, np.broadcast_to(np.array(value, float), table.shape))
        return (tmp_path / out).read_bytes()

    return filler


def check(table: Table, values: object, rows: object = None, cols: object = None) -> None:
    np.testing.assert_array_equal(table.values, values)
    assert table.row_names == (None if rows is None else tuple(rows))  # type: ignore[arg-type]
    assert table.col_names == (None if cols is None else tuple(cols))  # type: ignore[arg-type]


# -- what is recognised ------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["", "NA", "NaN", "nan", "null", "None", "N/A", "NULL", " ", '""'])
def test_missing_cells(read, missing):
    check(read(f"k,a,b\nx,1,{missing}\ny,{missing},2\n"), [[1, NAN], [NAN, 2]], "xy", "ab")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_delimiter_line_ends_and_encoding_are_kept(read, fill, delimiter, newline, encoding):
    rows = [["Gemüse", "a", "ß"], ["Möhre", "1.5", ""], ["Kohl", "", "2e-3"]]
    text = newline.join(map(delimiter.join, rows))
    check(read(text.encode(encoding)), [[1.5, NAN], [NAN, 2e-3]], ["Möhre", "Kohl"], "aß")
    rows[1][2] = rows[2][1] = "9.0"
    rows[1][2] = "9"
    assert fill(text.encode(encoding)).decode(encoding) == newline.join(map(delimiter.join, rows))


def test_decimal_comma(read, fill):
    check(read("k;a;b\nx;1,5;\ny;;2\n"), [[1.5, NAN], [NAN, 2]], "xy", "ab")
    assert fill("k;a;b\nx;1,5;\ny;;2\n", 3.75) == b"k;a;b\nx;1,5;4\ny;3,8;2\n"


def test_quoted_cells(read, fill):
    text = '"the, index","a ""b""",c\n"x\ny","1",\nz,,"2"\n'
    check(read(text), [[1, NAN], [NAN, 2]], ["x\ny", "z"], ['a "b"', "c"])
    assert fill(text).decode() == '"the, index","a ""b""",c\n"x\ny","1",9\nz,9,"2"\n'


def test_names_may_repeat(read):
    check(read("k,a,a\nx,1,2\nx,3,\n"), [[1, 2], [3, NAN]], "xx", "aa")


def test_r_writes_no_name_over_row_names(read, fill):
    text = '"a" "b"\n'.replace(" ", ",") + '"x",1,NA\n"y",NA,2\n'
    check(read(text), [[1, NAN], [NAN, 2]], "xy", "ab")
    assert fill(text).decode() == '"a","b"\n"x",1,9\n"y",9,2\n'


def test_a_delimiter_at_every_end_is_no_column(read, fill):
    check(read("a,b,\n1,,\n,2,\n"), [[1, NAN], [NAN, 2]], None, "ab")
    assert fill("a,b,\n1,,\n,2,\n") == b"a,b,\n1,9,\n9,2,\n"


def test_blank_lines(read):
    check(read("a,b\n\n1,2\n\n,4\n\n"), [[1, 2], [NAN, 4]], None, "ab")
    check(read("a\n1\n\n3\n\n"), [[1], [NAN], [3]], None, "a")


# whether the first line is a header, and the first column the index
HEADERS = {
    "1,2.5,3\n4,,6\n": (False, False),
    "1,2,3\n4,5,6\n7,8,9\n": (False, False),
    "0,1,2\n.3,.1,\n,5,2\n": (True, False),
    ",0,1\n0,5,3\n1,2,\n": (True, True),
    "city,2001,2002\nx,3.5,2\ny,,1\n": (True, True),
    "x,2,1\ny,3,5\nz,1,\n": (False, True),
    "x,1,2\ny,3,5\nz,1,\n": (False, True),
    "when,1.5,2\n2020-01-01,5,6\n": (True, True),
    "1.1.2020,5,6\n2.1.2020,,3\n": (False, True),
    "12:00,5,6\n13:00,,3\n": (False, True),
    "x,1,2\ny,5,3\nz,1,\n": (False, True),
    "c,410.5,420.5,430,440\nx,.1,.3,.2,.1\ny,,.2,.3,.1\n": (True, True),
    "x,1,2,3,4\ny,2,3,5,6\nz,1,,5,7\n": (False, True),
    "year,a,b\n2001,1,2\n2002,3,\n": (True, True),
    "a,b\n2001,1\n2002,\n": (True, False),
    "2020-01-01,1,2\n2020-01-02,3,\n": (False, True),
    "t,1,2\n2020-01-01,7,2\n2020-01-02,3,\n": (True, True),
    "when,a\n20200101,1\n20200102,\n": (True, True),
    "a,b\n1,2\n": (True, False),
    "5,6,8\n": (False, False),
    ",,\n1,2,3\n,5,6\n": (False, False),
    "id,x\n17,1\n4,2\n": (True, True),
    "01.02.2020;1,5;2\n02.02.2020;;3\n": (False, True),
}


@pytest.mark.parametrize("text", HEADERS)
def test_header_and_index(read, text):
    table = read(text)
    assert (table.col_names is not None, table.row_names is not None) == HEADERS[text]


def test_numbers_taken_for_names_are_noted(read):
    assert len(read(",0,1\n0,5,3\n1,2,\n").notes) == 2
    assert read("k,a\nx,1\n").notes == ()
    assert read("a\n1\n\n3\n").notes == ()


# -- what is refused ---------------------------------------------------------------------------------

BAD = {
    "": "empty",
    "\n \n": "empty",
    "\ufeff": "empty",
    "a,b\n": "no rows",
    "k\nx\ny\n": "no column of numbers",
    "k,a,b\nx,1,2\ny,oops,3\n": "row 'y', column 'a' is not a number: 'oops'",
    "k,a,b\nx,1,2\ny,1,inf\n": "row 'y', column 'b' is infinite: 'inf'",
    "a,b\n1,2\n3,-Infinity\n": "line 3, column 'b' is infinite",
    "a,b\n1,2\n3,1e999\n": "line 3, column 'b' is infinite",
    "x,2,inf\ny,1,2\n": "row 'x', column 2 is infinite",
    "1,2," + "9" * 5000 + "\n3,4,5\n": "line 1, column 3 is infinite",
    "1.5,2\n3,1_000\n": "line 2, column 2 is not a number",
    "a,b\n1,2\nx,3\n4,5\n": "line 3, column 'a' is not a number: 'x'",
    "k,who,a\nx,me,1\ny,you,2\n": "row 'x', column 'who' is not a number: 'me'",
    "who,what,value\nme,tea,1\nyou,ale,2\n": (
        "'tea'; if the lines are row, column, value, read them as triplets: --triplets."
    ),
    "a,b\n1,?\n": "line 2, column 'b' is not a number",
    "a,b\n1,2\n3\n": "line 3 has 1 cells where others have 2",
    "a,b\n1,2\n3,4\n1,2,3\n": "line 4 has 3 cells where others have 2",
    "a,b,c\n1,2\n3,4\n": "line 1 has 3 cells where others have 2",
    'a,b\n1,"2\n3,4\n': "opened in line 2 is never closed",
    "a;b\n1,234;5,678\n": "thousands",
    "a;b\n1,5;2.5\n": "line 2, column 'a' is not a number: '1,5'",
}


@pytest.mark.parametrize("text", BAD)
def test_bad_tables(read, text):
    with pytest.raises(InputError) as error:
        read(text)
    message = str(error.value)
    assert BAD[text] in message
    assert "x.csv" in message
    assert message.endswith(".")
    assert "\n" not in message


def test_files_that_are_no_text(read, tmp_path):
    for content in (b"\0\1\2\3" * 10, b"\xff\xfea", b"PAR1\0\0"):
        with pytest.raises(InputError, match="not a text table"):
            read(content)
    with pytest.raises(InputError, match="There is no file"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match="folder"):
        read_table(tmp_path / "folder.csv")
    with pytest.raises(InputError, match="format"):
        read_table(tmp_path / "x.ods")


# -- what is written ---------------------------------------------------------------------------------


def test_filled_cells_show_what_their_column_shows(fill):
    text = "k,a,b,c\nx,1.25000000,1,\ny,,,\nz,007,1e-8,\n"
    assert fill(text, np.pi).decode() == (
        "k,a,b,c\nx,1.25000000,1,3.14159\ny,3.14159265,3.14159,3.14159\nz,007,1e-8,3.14159\n"
    )


@pytest.mark.parametrize(
    ("value", "shown", "text"),
    [
        (0.0, 0, "0"),
        (-0.0, 2, "0.00"),
        (2.0, 0, "2"),
        (2.0, 2, "2.00"),
        (1234567.891, 0, "1234568"),
        (1234567.891, None, "1234568"),
        (1234567.891, 2, "1234567.89"),
        (0.000123456789, None, "0.000123457"),
        (0.000123456789, 5, "0.00012"),
        (-0.004, 2, "0.00"),
        (1e-12, 3, "0.000"),
        (1e-12, None, "1e-12"),
        (-1.23456789e20, 0, "-1.23457e+20"),
        (9.9999996, None, "10"),
        (2.0, None, "2"),
        (NAN, 3, ""),
    ],
)
def test_format_of_filled_cells(value, shown, text):
    assert format_filled(value, shown) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_unless_rounded_filled_cells_keep_six_digits(value):
    assert float(format_filled(value)) == pytest.approx(value, rel=5.1e-6, abs=0)


def test_undetermined_cells_stay_as_they_were(fill):
    assert fill("k,a,b\nx,1,NA\ny,,2\n", NAN) == b"k,a,b\nx,1,NA\ny,,2\n"


def test_tabs_where_the_name_says_so(fill):
    assert fill('k,"a\tb"\n"x,y",1\nz,\n', out="o.tsv") == b'k\t"a\tb"\nx,y\t1\nz\t9\n'


def test_wrong_shape_infinities_and_bad_places_leave_the_old_file(tmp_path, read):
    table = read("k,a\nx,1\ny,\n")
    out = tmp_path / "o.csv"
    out.write_text("old")
    for filled in (np.zeros((1, 1)), np.full((2, 1), np.inf)):
        with pytest.raises(InputError):
            write_table(out, table, filled)
    for path in (tmp_path, tmp_path / "o.ods", tmp_path / "none" / "o.csv"):
        with pytest.raises(InputError):
            write_table(path, table, np.zeros((2, 1)))
    assert out.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["o.csv", "x.csv"]


def test_a_failure_in_the_middle_leaves_the_old_file(tmp_path, read, monkeypatch):
    table = read("k,a\nx,1\ny,\n")
    out = tmp_path / "o.csv"
    out.write_text("old")

    def half(path: Path, data: bytes) -> int:
        with open(path, "wb") as stream:
            stream.write(data[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(InputError, match="No space left"):
        write_table(out, table, np.zeros((2, 1)))
    assert out.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["o.csv", "x.csv"]


NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(10**6), 10**6).map(str),
    st.sampled_from(["1.50", "+3", ".5", "2.", "1E5", "007"]),
)
LABELS = (
    st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=5)
    .map(lambda s: "n" + s.strip())
    .filter(lambda s: s.lower() not in MISSING)  # a column of nothing but these is one of data: see below
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_table_comes_back_to_the_letter(tmp_path, data):
    m, n = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    names = [
        f'"{name.replace(chr(34), chr(34) * 2)}"' for name in data.draw(st.tuples(*[LABELS] * (m + n + 1)))
    ]
    cells = data.draw(
        st.lists(st.lists(st.one_of(NUMBERS, st.just("")), min_size=n, max_size=n), min_size=m, max_size=m)
    )
    lines = [names[: n + 1], *([name, *row] for name, row in zip(names[n + 1 :], cells, strict=True))]
    text = "".join(",".join(line) + "\n" for line in lines)
    path, out = tmp_path / "x.csv", tmp_path / "o.csv"
    path.write_bytes(text.encode())
    table = read_table(path)
    expected = np.array([[float(cell) if cell else NAN for cell in row] for row in cells])
    np.testing.assert_array_equal(table.values, expected)
    write_table(out, table, np.full(table.shape, NAN))
    assert out.read_bytes() == text.encode()
    write_table(out, table, np.zeros(table.shape))
    again = read_table(out)
    np.testing.assert_array_equal(again.values, np.nan_to_num(expected))
    assert again.row_names == table.row_names
    assert again.col_names == table.col_names


def test_a_label_may_spell_a_word_for_missing_beside_others(read):
    assert read("site,a\nNA,1\nZA,2\n").row_names == ("NA", "ZA")
    table = read("site,a\nNA,1\nnan,2\n")
    np.testing.assert_array_equal(table.values, [[NAN, 1], [NAN, 2]])


MESSY = """\
site,date,dose,share,flow,place,pH,pH,note
a,2024-01-01,1.5 mg,40%,"1,200.5",x,7,6.5,ok
b,2024-01-02,0.002 g,,980,y,,6.4,-
a,2024-01-03,2.0 mg,55%,"1,100.0",x,7.1,?,late
"""


def test_all_troubles_are_named_at_once(read):
    """One run of the command says what to mend, not one for each column."""
    with pytest.raises(InputError) as error:
        read(MESSY)
    message = str(error.value)
    assert "row 'a' (line 2), column 'date' is not a number: '2024-01-01'" in message
    for part in ("'dose' ('1.5 mg')", "'place' ('x')", "'pH' ('?')", "'note' ('ok')"):
        assert part in message
    assert "share" not in message and "flow" not in message
    assert "--aside date --aside place --aside note keeps" in message
    assert 'write numbers without units; if it stands for a missing value, use --missing "?"' in message


def test_columns_left_aside_come_back_as_they_were(read, tmp_path):
    text = MESSY.replace(" mg", "").replace("0.002 g", "2").replace("%", "").replace(",?,", ",,")
    text = text.replace('"1,200.5"', "1200.5").replace('"1,100.0"', "1100.0")
    table = read(text, aside=("date", "place", "note"))
    assert table.col_names == ("dose", "share", "flow", "pH", "pH")
    assert table.row_names == ("a", "b", "a")
    np.testing.assert_array_equal(table.values[1], [2, np.nan, 980, np.nan, 6.4])
    out = tmp_path / "out.csv"
    write_table(out, table, np.full(table.shape, 9.0))
    assert out.read_text(encoding="utf-8").splitlines()[1:] == [
        "a,2024-01-01,1.5,40,1200.5,x,7,6.5,ok",
        "b,2024-01-02,2,9,980,y,9.0,6.4,-",
        "a,2024-01-03,2.0,55,1100.0,x,7.1,9.0,late",
    ]


def test_the_first_column_may_be_left_aside(read):
    table = read("who,what,a,b\nx,u,1,\ny,v,2,3\n", aside=("who", "what"))
    assert (table.row_names, table.col_names, table.shape) == (None, ("a", "b"), (2, 2))


@pytest.mark.parametrize(
    ("text", "aside", "says"),
    [
        ("k,a\nx,1\n", ("b",), "no column 'b' to leave aside; its columns are 'k', 'a'"),
        ("1,2.5\n3,4\n", ("b",), "it has no header"),
        ("k,a\nx,1\n", ("a",), "has no column of numbers"),
    ],
)
def test_what_cannot_be_left_aside(read, text, aside, says):
    with pytest.raises(InputError, match=says):
        read(text, aside=aside)

"""How IN is to be read: what several commands are told about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import InputError
from ..files import Roles, Table, read_table
from ..files.bad_cells import shell_word


@dataclass(frozen=True)
class Reading:
    """Options of the command line that say how to read a table; see :func:`rankfall.files.read_table`."""

    triplets: bool = False
    row: str | None = None
    column: str | None = None
    value: str | None = None
    aside: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    skip: int = 0
    sheet: str | None = None
    beside: tuple[str, ...] = ()
    kinds: Mapping[str, str] | None = None

    def with_columns_beside(self, *columns: str | None) -> Reading:
        """With these columns read as no measurements, unless they are the row names; of triplets there are
        none.
        """
        named = [name for name in columns if name is not None]
        if named and self.triplets:
            raise InputError("--positions and --groups name columns of a table; triplets have none.")
        return replace(self, beside=tuple(dict.fromkeys(named)))

    def table(self, path: Path) -> Table:
        """Read a table."""
        named = (self.row, self.column, self.value)
        return read_table(
            path,
            triplets=self.triplets,
            aside=self.aside,
            beside=self.beside,
            missing=self.missing,
            skip=self.skip,
            roles=Roles(*named) if any(name is not None for name in named) else None,
            sheet=self.sheet,
            kinds=self.kinds,
        )

    def words(self) -> Iterator[str]:
        """The options as they are typed into a shell."""
        if self.triplets:
            yield "--triplets"
        for name in ("row", "column", "value", "sheet"):
            if getattr(self, name) is not None:
                yield f"--{name} {shell_word(getattr(self, name))}"
        for name in ("aside", "missing"):
            yield from (f"--{name} {shell_word(word)}" for word in getattr(self, name))
        if self.skip:
            yield f"--skip {self.skip}"


def column_of(table: Table, option: str, name: str | None) -> tuple[str, ...] | None:
    """The cells of a column that holds no measurements, as text.

    Raises
    ------
    InputError
        If a cell is empty.
    """
    if name is None:
        return None
    # of a table without header: its position; a first name may follow the mark of a comment
    called = [
        {str(column.before + k)} if table.col_names is None else {column.name, column.name.lstrip("# ")}
        for k, column in enumerate(table.asides)
    ]
    found = [column.cells for column, names in zip(table.asides, called, strict=True) if name in names]
    cells = found[0] if found else table.row_names
    assert cells is not None  # else there is no such column, which the reader has said
    if "" in cells:
        row = table.row_label(cells.index(""))
        raise InputError(f"{option} {name}: the cell of row {row} is empty.")
    return cells

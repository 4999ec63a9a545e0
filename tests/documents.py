"""Reading the Markdown of the README and of docs/: blocks, sections, and what is checked about them."""

from __future__ import annotations

import contextlib
import io
import math
import re
import traceback
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
# what is included from the root of the repository, or made by the build, is no page of its own
PAGES = sorted(
    path
    for path in (ROOT / "docs").rglob("*.md")
    if not {"_build", "generated", "gallery"} & set(path.relative_to(ROOT).parts)
)

_FENCE = re.compile(r"^(`{3,}|:{3,})(.*?)\n(.*?)^\1\s*$", re.MULTILINE | re.DOTALL)
_COMPARE = re.compile(r"^<!-- compare: (.*) -->\n\n?\Z", re.MULTILINE)
_WITHIN = re.compile(r"numbers within (\d+(?:\.\d+)?)%")
# the last point of "[20. 19.8]" belongs to a number, and so does that of "rank 2.", which does no harm
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:e[-+]?\d+)?")
_INTEGER = re.compile(r"[-+]?\d+\.?")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, the line where it begins, and how its numbers are compared."""

    language: str
    text: str
    line: int
    rule: str | None = None


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        rule = _COMPARE.search(text, 0, match.start())
        line = text.count("\n", 0, match.start(3)) + 1
        found.append(Block(match[2].strip(), match[3], line, rule[1] if rule else None))
    return found


def run(page: Path) -> None:
    """Execute the Python of a page as one session; what it prints must be the ``text`` block that follows.

    A block whose first line is a comment with the name of a Python file is written to that file, too.
    """
    space: dict[str, object] = {"__name__": "page"}
    found = blocks(page)
    for block, after in zip(found, [*found[1:], None], strict=True):
        if block.language != "python":
            continue
        file = re.match(r"# (\w+\.py)\n", block.text)
        if file is not None:
            Path(file[1]).write_text(block.text, encoding="utf-8")
        # so that a traceback names the page and the line
        source = "\n" * (block.line - 1) + block.text
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            try:
                exec(compile(source, str(page), "exec", dont_inherit=True), space)
            except Exception as error:
                where = traceback.extract_tb(error.__traceback__)
                line = next((frame.lineno for frame in where if frame.filename == str(page)), block.line)
                raise AssertionError(f"{page.name}:{line}: {type(error).__name__}: {error}") from error
        if after is not None and after.language == "text":
            difference = compare(after.text, printed.getvalue(), after.rule)
            assert difference is None, f"{page.name}:{after.line}: {difference}"


def allowance(rule: str | None) -> float:
    """The relative difference that a rule allows: 0 without a rule, infinite for "words only"."""
    if rule is None:
        return 0.0
    if rule == "words only":
        return math.inf
    percent = _WITHIN.fullmatch(rule)
    if percent is None:
        raise AssertionError(f"compare: {rule!r} is neither 'numbers within N%' nor 'words only'")
    return float(percent[1]) / 100


def compare(shown: str, printed: str, rule: str | None = None) -> str | None:
    """What differs between a page and what was printed, word by word; "..." stands for any words.

    Without a rule, integers are equal and other numbers differ by at most one in the last digit shown.
    """
    relative = allowance(rule)
    expected, got = words(shown), words(printed)
    if "..." not in expected and len(expected) != len(got):
        return f"{len(expected)} words are shown and {len(got)} are printed:\n{printed}"
    at = 0
    for place, word in enumerate(expected):
        if word == "...":
            following = expected[place + 1] if place + 1 < len(expected) else None
            while at < len(got) and (following is None or not same(following, got[at], relative)):
                at += 1
            continue
        if at >= len(got) or not same(word, got[at], relative):
            return f"{word!r} is shown, {got[at] if at < len(got) else 'nothing'!r} is printed:\n{printed}"
        at += 1
    return None if at == len(got) else f"more is printed than shown:\n{printed}"


def words(text: str) -> list[str]:
    """The words of a text; how NumPy pads the first number of a row does not matter."""
    return re.sub(r"([\[(])\s+", r"\1", text).split()


def same(shown: str, printed: str, relative: float) -> bool:
    """Whether two words are the same up to the numbers in them."""
    if _NUMBER.sub("#", shown) != _NUMBER.sub("#", printed):
        return False
    pairs = zip(_NUMBER.findall(shown), _NUMBER.findall(printed), strict=True)
    return all(close(a, b, relative) for a, b in pairs)


def close(shown: str, printed: str, relative: float) -> bool:
    """Whether two numbers agree; below 1e-9 they are rounding errors, and all the same."""
    a, b = float(shown), float(printed)
    if max(abs(a), abs(b)) < 1e-9:
        return True
    whole = _INTEGER.fullmatch(shown) and _INTEGER.fullmatch(printed)
    last_digit = 0.0 if whole else min(unit(shown), unit(printed))
    return abs(a - b) <= max(1.001 * last_digit, relative * max(abs(a), abs(b)))


def unit(number: str) -> float:
    """One in the last digit of a printed number."""
    mantissa, _, exponent = number.partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def commands(page: Path) -> list[str]:
    """Shell commands: the lines of ``sh`` blocks and of indented blocks, cut at ``&&``, without comments."""
    text = page.read_text(encoding="utf-8")
    indented = re.findall(
        r"^ {4}((?:rankfall|make|python|pip|pytest) .*)$", _FENCE.sub("", text), re.MULTILINE
    )
    lines = [line for block in blocks(page) if block.language == "sh" for line in block.text.splitlines()]
    whole = "\n".join([*lines, *indented]).replace("\\\n", " ")
    parts = [part for line in whole.splitlines() for part in re.split(r" #|&&", line)[::1]]
    starts = ("rankfall ", "make ", "python ", "pip ", "pytest ", "git ")
    return [part.strip() for part in parts if part.strip().startswith(starts)]


def sections(page: Path) -> list[tuple[str, str]]:
    """Heading and prose (without fenced blocks) of every section."""
    text = page.read_text(encoding="utf-8")
    prose = _FENCE.sub(lambda match: "\n@@python\n" if match[2].strip() == "python" else "\n", text)
    parts = re.split(r"^#{1,6} (.+)$", prose, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))

"""The text of a CSV file: lines decoded with their place, the delimiter found out, records cut strictly."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice

from denpa.data.cells import fault
from denpa.data.files import MIB, DataFile, Stream, listed, shown
from denpa.errors import DataError

DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}
LONGEST_LINE = 16 * MIB  # 100,000 columns of 20 characters take 2 MiB; a file without line ends must not fill memory
SAMPLE = 20  # records that the delimiter is judged by
CHUNK = 1 << 16  # cells converted at a time: about 4 MiB of Python strings

_JAPANESE = re.compile("[\u3041-\u30ff]|[\u4e00-\u9fff]{2}")


@dataclass(frozen=True)
class Chunk:
    """Consecutive records: their cells, and the line each begins on (from 1)."""

    rows: list[list[str]]
    lines: list[int]


class Records:
    """The records of a CSV file: `header` with its line, then `chunks()` once.  DataError for all that is no table."""

    def __init__(self, file: DataFile) -> None:
        self.where = file.where
        file.verify()
        lines = decoded_lines(file.stream(), file.where)
        sample = list(islice(lines, SAMPLE))
        self.delimiter = find_delimiter(sample, file.where)
        self._reader = csv.reader(chain(sample, lines), delimiter=self.delimiter, skipinitialspace=True, strict=True)
        self._records = self._cut()
        self.header_line, self.header = next(self._records, (0, []))

    def chunks(self) -> Iterator[Chunk]:
        """The rest of the file in pieces.  DataError when a record has another number of cells than the header."""
        width = len(self.header)
        size = max(1, CHUNK // max(1, width))
        while records := list(islice(self._records, size)):
            for line, cells in records:
                if len(cells) != width:
                    raise self._ragged(line, cells, width)
            yield Chunk([cells for _, cells in records], [line for line, _ in records])

    def _cut(self) -> Iterator[tuple[int, list[str]]]:
        """(line, cells) of each record; empty lines may only stand at the end."""
        reader, line, empty = self._reader, 1, 0
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise self._broken(line, str(error)) from error
            if not cells:
                empty = empty or line
            elif empty:
                raise DataError("an empty line inside the table", where=f"{self.where} line {empty:,}", fix="remove it")
            else:
                yield line, cells
            line = reader.line_num + 1

    def _broken(self, line: int, why: str) -> DataError:
        if "unexpected end" in why or "field limit" in why:
            what, fix = "a quote is opened and not closed", 'close it, or double a quote that belongs to the text ("")'
        elif "new-line" in why:
            what, fix = "a carriage return inside a line", "end every line with a line feed (dos2unix, mac2unix)"
        else:
            what, fix = "a quote inside a cell is not doubled", 'write it twice ("") and quote the whole cell'
        return DataError(what, where=f"{self.where}, in the record that begins on line {line:,}", got=why, fix=fix)

    def _ragged(self, line: int, cells: list[str], width: int) -> DataError:
        extra = f"; the first one too many is {shown(cells[width])}" if len(cells) > width else ""
        return DataError(
            "a line has another number of cells than the header",
            where=f"{self.where} line {line:,}",
            got=f"{len(cells):,} cells{extra}",
            want=f"{width:,} cells, divided by {DELIMITERS[self.delimiter]}",
            fix="complete or correct the line; quote cells that contain the delimiter",
        )


def decoded_lines(stream: Stream, where: str) -> Iterator[str]:
    """The lines of a UTF-8 text, with their line ends, without a byte order mark."""
    offset = 0
    for number, raw in enumerate(_raw_lines(stream, where), start=1):
        line = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            place = offset + len(raw) - len(line) + error.start
            raise _not_utf8(where, number, place, raw, stream) from error
        if "\0" in text:
            raise DataError(
                "a NUL character in the text: not a CSV file, or a damaged one",
                where=f"{where} line {number:,}, byte {offset + raw.index(0) + 1:,}",
                want="a text file: a header line, then one line for each row",
            )
        offset += len(raw)
        yield text


def _raw_lines(stream: Stream, where: str) -> Iterator[bytes]:
    rest, count = b"", 0
    while block := stream.read(MIB):
        first, *others = block.split(b"\n")
        rest += first
        for other in others:
            count += 1
            yield rest + b"\n"
            rest = other
        if len(rest) > LONGEST_LINE:
            raise DataError(
                "a line is too long: this is no table of text",
                where=f"{where} line {count + 1:,}",
                got=f"more than {LONGEST_LINE // MIB} MiB without a line feed",
                want="a CSV file with a header line",
            )
    if rest:
        yield rest


def _not_utf8(where: str, number: int, place: int, raw: bytes, stream: Stream) -> DataError:
    got, encoding = f"byte 0x{raw[-1]:02x}", "ITS-ENCODING"
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") and number == 1:
        got, encoding = "a UTF-16 byte order mark", "UTF-16"
    elif _reads_as_cp932(raw + stream.read(1 << 16)):
        got, encoding = "text that reads as cp932 (Shift_JIS)", "CP932"
    else:
        got = "bytes that are no UTF-8"
    return DataError(
        "the text is not UTF-8",
        where=f"{where} line {number:,}, byte {place + 1:,}",
        got=got,
        want="UTF-8, with or without a byte order mark",
        fix=f"convert it: iconv -f {encoding} -t UTF-8 {where} > utf8.csv",
    )


def _reads_as_cp932(sample: bytes) -> bool:
    """Whether it decodes and has kana or two kanji in a row: single accented Latin letters can decode as one kanji."""
    whole = sample[: sample.rfind(b"\n") + 1] or sample
    try:
        return bool(_JAPANESE.search(whole.decode("cp932")))
    except UnicodeDecodeError:
        return False


def find_delimiter(sample: list[str], where: str) -> str:
    """The delimiter that cuts the header into at least two cells and the next lines into as many.

    A comma when none does (one column).  DataError when two do equally well.
    """
    scores = {}
    for delimiter in DELIMITERS:
        widths = _widths(sample, delimiter)
        if widths and widths[0] > 1:
            scores[delimiter] = (all(width == widths[0] for width in widths), widths[0])
    best = [delimiter for delimiter, score in scores.items() if score == max(scores.values())]
    if len(best) > 1:
        raise DataError(
            "the delimiter cannot be told",
            where=f"{where} line 1",
            got=f"{' and '.join(DELIMITERS[d] for d in best)} both cut the header into {scores[best[0]][1]} cells",
            fix="quote the cells that contain the other one",
        )
    return best[0] if best else ","


def _widths(sample: list[str], delimiter: str) -> list[int]:
    """Cells of each record in the sample, up to one that cannot be cut (the sample may end inside quotes)."""
    widths: list[int] = []
    try:
        for cells in csv.reader(sample, delimiter=delimiter, skipinitialspace=True, strict=True):
            if cells:
                widths.append(len(cells))
    except csv.Error:
        pass
    return widths


def check_header(names: list[str], line: int, where: str, lone: bool) -> None:
    """DataError unless the names are one for each column, distinct, and no numbers as a first row of data would be."""
    place = f"{where} line {line:,}"
    if not names:
        raise DataError("the file has no header line and no rows", where=where, got="only empty lines")
    if _is_data(names):
        raise DataError(
            "the first line holds numbers: there is no header line",
            where=place,
            got=listed(names, 5),
            want="the names of the columns in the first line",
            fix="add a line with the column names at the top of the file",
        )
    empty = [i for i, name in enumerate(names, start=1) if not name]
    if empty:
        raise DataError(f"column {empty[0]} has no name", where=place, got=f"{len(empty)} empty names in {len(names)}")
    seen: dict[str, int] = {}
    for i, name in enumerate(names, start=1):
        if name in seen:
            raise DataError(
                f"two columns have the same name {shown(name)}",
                where=place,
                got=f"columns {seen[name]} and {i}",
                want="distinct names in a header line",
                fix="rename one; if the file has no header line, add one",
            )
        seen[name] = i
    if len(names) == 1 and not lone:
        raise DataError(
            "the table has one column only",
            where=place,
            got=f"the header {shown(names[0])}",
            want=f"at least two columns, divided by {', '.join(DELIMITERS.values())}",
        )


def _is_data(names: list[str]) -> bool:
    """All numbers, or one that no column would be called (5.1, -3, 1e5); but 0 … 783 after a text is a usual header."""
    numeric = [name for name in names if fault(name) in (None, "not finite")]
    return bool(numeric) and (len(numeric) == len(names) or any(not name.isdigit() for name in numeric))

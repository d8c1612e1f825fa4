"""The text of a CSV file: lines decoded with their place, the delimiter found out, records cut strictly."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Protocol

from denpa.data.cells import fault
from denpa.data.files import MIB, DataFile, listed, shown
from denpa.data.source import ENCODINGS, Dialect, Piece
from denpa.errors import DataError

NEWLINE, BOM = b"\n", b"\xef\xbb\xbf"
UTF16 = (b"\xff\xfe", b"\xfe\xff")

DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}
LONGEST_LINE = 16 * MIB  # 100,000 columns of 20 characters take 2 MiB; a file without line ends must not fill memory
SAMPLE = 20  # records that the delimiter is judged by
CHUNK = 1 << 16  # cells converted at a time: about 4 MiB of Python strings

_JAPANESE = re.compile("[\u3041-\u30ff]|[\u4e00-\u9fff]{2}")


class Bytes(Protocol):
    def read(self, size: int) -> bytes: ...


class Reader(Protocol):
    """What `csv.reader` makes."""

    line_num: int

    def __next__(self) -> list[str]: ...


class CsvSource:
    """A CSV file as a `source.TableSource`, its dialect found out where it is not given.

    DataError for all that is no table: at once for its beginning, while reading for the rest.
    """

    unit = "line"

    def __init__(self, file: DataFile, dialect: Dialect | None = None) -> None:
        self._file = file
        self.where, self.sha256 = file.where, file.sha256
        file.verify()
        asked = dialect or Dialect()
        encoding = asked.encoding or ("utf-16" if file.head(2) in UTF16 else "utf-8")
        self.dialect = Dialect(asked.delimiter, encoding, asked.header)
        sample = list(islice(self._lines(), SAMPLE))
        delimiter = asked.delimiter or find_delimiter(sample, self.where)
        self.dialect = Dialect(delimiter, encoding, asked.header)
        line, first = next(self._records(), (0, []))
        if not first:
            raise DataError("the file has no header line and no rows", where=self.where, got="only empty lines")
        if asked.header is False:
            self.names = tuple(f"c{i}" for i in range(1, len(first) + 1))
        else:
            self.names = tuple(name.strip() for name in first)
            check_header(list(self.names), line, self.where, sure=asked.header is True)
        self.dialect = Dialect(delimiter, encoding, asked.header is not False)

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[Piece]:
        """DataError when a record has another number of cells than the first."""
        width, records = len(self.names), self._records()
        place = {name: i for i, name in enumerate(self.names)}
        chosen = None if columns is None else [place[name] for name in columns]
        if self.dialect.header:
            next(records, None)
        size = max(1, CHUNK // width)
        while piece := list(islice(records, size)):
            lines, rows = zip(*piece, strict=True)
            if set(map(len, rows)) != {width}:
                raise self._ragged(*next(one for one in piece if len(one[1]) != width), width)
            cells = tuple(zip(*rows, strict=True))
            yield Piece(cells if chosen is None else tuple(cells[i] for i in chosen), lines)

    def _lines(self) -> Iterator[str]:
        encoding = str(self.dialect.encoding)
        stream: Bytes = self._file.stream()
        if encoding == "utf-16":
            stream, encoding = Recoded(stream, encoding, self.where), "utf-8"
        return decoded_lines(stream, self.where, encoding)

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        delimiter = str(self.dialect.delimiter)
        return self._cut(csv.reader(self._lines(), delimiter=delimiter, skipinitialspace=delimiter != " ", strict=True))

    def _cut(self, reader: Reader) -> Iterator[tuple[int, list[str]]]:
        """(line, cells) of each record; empty lines may only stand at the end."""
        line, empty = 1, 0
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
        if "field limit" in why:
            what = f"a cell is longer than {csv.field_size_limit():,} characters: a quote is opened and not closed, or"
            what, fix = f"{what} this is no table", 'close it, or double a quote that belongs to the text ("")'
        elif "unexpected end" in why:
            what, fix = "a quote is opened and not closed", 'close it, or double a quote that belongs to the text ("")'
        elif "new-line" in why:
            what, fix = "a carriage return inside a line", "end every line with a line feed (dos2unix, mac2unix)"
        else:
            what, fix = "a quote inside a cell is not doubled", 'write it twice ("") and quote the whole cell'
        return DataError(what, where=f"{self.where}, in the record that begins on line {line:,}", got=why, fix=fix)

    def _ragged(self, line: int, cells: list[str], width: int) -> DataError:
        extra = f"; the first one too many is {shown(cells[width])}" if len(cells) > width else ""
        return DataError(
            f"a line has another number of cells than the {'header' if self.dialect.header else 'first line'}",
            where=f"{self.where} line {line:,}",
            got=f"{len(cells):,} cells{extra}",
            want=f"{width:,} cells, divided by {called(str(self.dialect.delimiter))}",
            fix="complete or correct the line; quote cells that contain the delimiter; or give another --sep",
        )


def called(delimiter: str) -> str:
    """A delimiter in words."""
    return DELIMITERS.get(delimiter, shown(delimiter))


class Recoded:
    """A stream in another encoding, read as UTF-8."""

    def __init__(self, stream: Bytes, encoding: str, where: str) -> None:
        self._stream, self._encoding, self._where = stream, encoding, where
        self._decoder = codecs.getincrementaldecoder(encoding)()  # of source.ENCODINGS: a closed list

    def read(self, size: int) -> bytes:
        """About `size` bytes; none only at the end.  DataError for bytes that are not in the encoding."""
        while True:
            block = self._stream.read(size)
            try:
                text = self._decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                raise DataError(
                    f"the text is not {self._encoding.upper()}",
                    where=self._where,
                    got=error.reason,
                    fix="say what it is with --encoding",
                ) from error
            if text or not block:
                return text.encode("utf-8", "surrogatepass")


def decoded_lines(stream: Bytes, where: str, encoding: str = "utf-8") -> Iterator[str]:
    """The lines of a text, with their line ends, without a byte order mark.  encoding: one with ASCII's line feed."""
    return chain.from_iterable(_decoded(stream, where, encoding))


def _decoded(stream: Bytes, where: str, encoding: str) -> Iterator[Iterable[str]]:
    """The same in blocks: decoding and looking for faults line by line would take a quarter of the time of reading."""
    line, offset = 0, 0
    for raw in _blocks(stream, where):
        mark = len(BOM) if not offset and encoding == "utf-8" and raw.startswith(BOM) else 0
        try:
            text = raw[mark:].decode(encoding)
        except UnicodeDecodeError as error:
            at = mark + error.start
            number = line + raw.count(NEWLINE, 0, at) + 1
            rest = raw[raw.rfind(NEWLINE, 0, at) + 1 :]
            raise _not_decoded(where, number, offset + at, rest, stream, encoding) from error
        if "\0" in text:
            at = raw.index(0)
            raise DataError(
                "a NUL character in the text: not a CSV file, or a damaged one",
                where=f"{where} line {line + raw.count(NEWLINE, 0, at) + 1:,}, byte {offset + at + 1:,}",
                want="a text file: a header line, then one line for each row",
            )
        yield io.StringIO(text, newline="\n")
        line += raw.count(NEWLINE)
        offset += len(raw)


def _blocks(stream: Bytes, where: str) -> Iterator[bytes]:
    """The bytes in pieces of whole lines."""
    rest, count = b"", 0
    while block := stream.read(MIB):
        end = block.rfind(NEWLINE) + 1
        if end:
            yield rest + block[:end]
            count += block.count(NEWLINE)
            rest = block[end:]
        else:
            rest += block
        if len(rest) > LONGEST_LINE:
            raise DataError(
                "a line is too long: this is no table of text",
                where=f"{where} line {count + 1:,}",
                got=f"more than {LONGEST_LINE // MIB} MiB without a line feed",
                want="a CSV file with a header line",
            )
    if rest:
        yield rest


def _not_decoded(where: str, number: int, place: int, raw: bytes, stream: Bytes, encoding: str) -> DataError:
    got, fix = f"bytes that are no {encoding.upper()}", f"say what it is with --encoding ({', '.join(ENCODINGS)})"
    if encoding == "utf-8" and _reads_as_cp932(raw + stream.read(1 << 16)):
        got, fix = "text that reads as cp932 (Shift_JIS)", "--encoding cp932"
    return DataError(
        f"the text is not {encoding.upper()}",
        where=f"{where} line {number:,}, byte {place + 1:,}",
        got=got,
        want="UTF-8 or UTF-16 with a byte order mark, or the encoding that --encoding names",
        fix=fix,
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
            fix="say which one it is with --sep",
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


def check_header(names: list[str], line: int, where: str, sure: bool) -> None:
    """DataError unless the names are distinct, and, if one is not sure, no numbers as a first row of data would be."""
    place = f"{where} line {line:,}"
    if not sure and _is_data(names):
        raise DataError(
            "the first line holds numbers: there is no header line",
            where=place,
            got=listed(names, 5),
            want="the names of the columns in the first line",
            fix=f"--no-header calls the columns c1 to c{len(names)}; --header takes these as names",
        )
    empty = [i for i, name in enumerate(names, start=1) if not name]
    if empty:
        raise DataError(
            f"column {empty[0]} has no name",
            where=place,
            got=f"{len(empty)} empty names in {len(names)}",
            fix="name it; if the file has no header line, say --no-header",
        )
    seen: dict[str, int] = {}
    for i, name in enumerate(names, start=1):
        if name in seen:
            raise DataError(
                f"two columns have the same name {shown(name)}",
                where=place,
                got=f"columns {seen[name]} and {i}",
                want="distinct names in a header line",
                fix="rename one; if the file has no header line, say --no-header",
            )
        seen[name] = i


def _is_data(names: list[str]) -> bool:
    """All numbers, or one that no column would be called (5.1, -3, 1e5); but 0 … 783 after a text is a usual header."""
    numeric = [name for name in names if fault(name) in (None, "not finite")]
    return bool(numeric) and (len(numeric) == len(names) or any(not name.isdigit() for name in numeric))

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
from denpa.data.plain import cut
from denpa.data.source import ENCODINGS, Dialect, Piece
from denpa.errors import DataError

NEWLINE, BOM = b"\n", b"\xef\xbb\xbf"
UTF16 = (b"\xff\xfe", b"\xfe\xff")

DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}
LONGEST_LINE = 16 * MIB  # 100,000 columns of 20 characters take 2 MiB; a file without line ends must not fill memory
SAMPLE = 20  # records that the delimiter is judged by
BLOCK = MIB >> 2  # bytes cut at a time: cells of one digit take 60 times as much while they are read
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
        blocks = self._blocks()
        sample = list(islice(chain.from_iterable(map(blocks.lines, blocks)), SAMPLE))
        delimiter = asked.delimiter or find_delimiter(sample, self.where)
        self.dialect = Dialect(delimiter, encoding, asked.header)
        line, first = next(self._records(blocks := self._blocks(), next(blocks, b"")), (0, []))
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
        place = {name: i for i, name in enumerate(self.names)}
        chosen = [place[name] for name in (self.names if columns is None else columns)]
        width, blocks, header = len(self.names), self._blocks(), self.dialect.header
        for raw in blocks:
            block = None if header else cut(raw, blocks.encoding, str(self.dialect.delimiter), width)
            if block is not None:
                places = range(blocks.line + 1, blocks.line + 1 + block.rows)
                yield Piece(tuple(block.column(i) for i in chosen), places)
                continue
            records = self._records(blocks, raw)
            if header:
                next(records, None)
            header = False
            yield from self._pieces(records, chosen)

    def _pieces(self, records: Iterator[tuple[int, list[str]]], chosen: Sequence[int]) -> Iterator[Piece]:
        width = len(self.names)
        while piece := list(islice(records, max(1, CHUNK // width))):
            lines, rows = zip(*piece, strict=True)
            if set(map(len, rows)) != {width}:
                raise self._ragged(*next(one for one in piece if len(one[1]) != width), width)
            cells = tuple(zip(*rows, strict=True))
            yield Piece(tuple(cells[i] for i in chosen), lines)

    def _blocks(self) -> Blocks:
        encoding = str(self.dialect.encoding)
        stream: Bytes = self._file.stream()
        if encoding == "utf-16":
            stream, encoding = Recoded(stream, encoding, self.where), "utf-8"
        return Blocks(stream, self.where, encoding)

    def _records(self, blocks: Blocks, raw: bytes) -> Iterator[tuple[int, list[str]]]:
        """(line, cells) of each record from this block on to where one ends that is a block's last.

        Empty lines may only stand at the end.
        """
        delimiter, line, before, empty = str(self.dialect.delimiter), blocks.line + 1, blocks.line, 0
        reader: Reader = csv.reader(
            chain.from_iterable(map(blocks.lines, chain([raw], blocks))),
            delimiter=delimiter,
            skipinitialspace=delimiter != " ",
            strict=True,
        )
        while empty or before + reader.line_num < blocks.end or not reader.line_num:
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
            line = before + reader.line_num + 1

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
    blocks = Blocks(stream, where, encoding)
    return chain.from_iterable(map(blocks.lines, blocks))


class Blocks:
    """The bytes of a text in pieces of whole lines.

    line: lines before the piece that was given last; end: with those in it.  encoding: one with ASCII's line feed.
    """

    def __init__(self, stream: Bytes, where: str, encoding: str) -> None:
        self.encoding, self.line, self.end = encoding, 0, 0
        self._stream, self._where = stream, where
        self._offset, self._next, self._rest = 0, 0, b""

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        """DataError for a line without an end."""
        found, rest = b"", [self._rest]
        size = len(self._rest)
        while not found and (block := self._stream.read(BLOCK)):
            end = block.rfind(NEWLINE) + 1
            found, self._rest = block[:end], block[end:]
            if not end:
                rest.append(block)
                size += len(block)
            if max(size if not end else 0, len(self._rest)) > LONGEST_LINE:
                raise DataError(
                    "a line is too long: this is no table of text",
                    where=f"{self._where} line {self.end + 1:,}",
                    got=f"more than {LONGEST_LINE // MIB} MiB without a line feed",
                    want="a CSV file with a header line",
                )
        if not found:
            self._rest = b""
        found = b"".join([*rest, found])
        if not found:
            raise StopIteration
        self.line, self._offset = self.end, self._next
        self.end += found.count(NEWLINE) + (not found.endswith(NEWLINE))
        self._next += len(found)
        return found

    def lines(self, raw: bytes) -> Iterable[str]:
        """The piece that was given last as lines: decoding and looking for faults line by line would take a quarter
        of the time of reading.  DataError for what is no text."""
        mark = len(BOM) if not self._offset and self.encoding == "utf-8" and raw.startswith(BOM) else 0
        try:
            text = raw[mark:].decode(self.encoding)
        except UnicodeDecodeError as error:
            at = mark + error.start
            number = self.line + raw.count(NEWLINE, 0, at) + 1
            rest = raw[raw.rfind(NEWLINE, 0, at) + 1 :]
            raise _not_decoded(
                self._where, number, self._offset + at, rest + self._rest, self._stream, self.encoding
            ) from error
        if "\0" in text:
            at = raw.index(0)
            number = self.line + raw.count(NEWLINE, 0, at) + 1
            raise DataError(
                "a NUL character in the text: not a CSV file, or a damaged one",
                where=f"{self._where} line {number:,}, byte {self._offset + at + 1:,}",
                want="a text file: a header line, then one line for each row",
            )
        return io.StringIO(text, newline="\n")


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

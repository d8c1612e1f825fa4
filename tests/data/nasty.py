"""Tables as nobody should write them, and as somebody does: 181 of them, by name.  The target is the column y.

What becomes of each is in nasty.json, as `test_nasty.outcome` says it.
"""

from __future__ import annotations

H = b"a,b,y\n"
R = b"1,2,p\n3,4,q\n5,6,p\n7,8,q\n"


def rows(*lines: str) -> bytes:
    return H + "".join(f"{line}\n" for line in lines).encode()


def with_cell(cell: str) -> bytes:
    """Four rows, the third of which has this cell among numbers."""
    return f"a,b,y\n1,2,p\n3,4,q\n{cell},6,p\n7,8,q\n".encode()


good = ["1,2,p", "3,4,q", "5,6,p"]
TABLES: dict[str, bytes] = {}
# encodings and marks
TABLES["utf-8 mark"] = b"\xef\xbb\xbf" + H + R
TABLES["two utf-8 marks"] = b"\xef\xbb\xbf\xef\xbb\xbf" + H + R
TABLES["utf-16 little"] = b"\xff\xfe" + (H + R).decode().encode("utf-16-le")
TABLES["utf-16 big"] = b"\xfe\xff" + (H + R).decode().encode("utf-16-be")
TABLES["utf-16 without a mark"] = (H + R).decode().encode("utf-16-le")
TABLES["utf-16 of odd length"] = b"\xff\xfe" + (H + R).decode().encode("utf-16-le") + b"\n"
TABLES["utf-16 with a lone surrogate"] = (
    b"\xff\xfe" + H.decode().encode("utf-16-le") + b"1\x00,\x002\x00,\x00\x00\xd8\n\x00"
)
TABLES["utf-32"] = (H + R).decode().encode("utf-32")
TABLES["cp932"] = "身長,体重,y\n1,2,男\n3,4,女\n5,6,男\n".encode("cp932")
TABLES["cp932 with a backslash byte"] = "表,ソ,y\n1,2,能\n3,4,十\n5,6,能\n".encode("cp932")
TABLES["euc-jp"] = "身長,体重,y\n1,2,男\n3,4,女\n".encode("euc-jp")
TABLES["latin-1"] = "größe,b,y\n1,2,p\n3,4,q\n".encode("latin-1")
TABLES["utf-8 names"] = "身長,体重,性別\n1,2,男\n3,4,女\n5,6,男\n".encode()
TABLES["a cut utf-8 character at the end"] = (H + R) + "5,6,日".encode()[:-1]
TABLES["utf-8 overlong"] = rows(*good) + b"1,2,\xc0\xaf\n"
TABLES["utf-8 surrogate"] = rows(*good) + b"1,2,\xed\xa0\x80\n"
TABLES["emoji and combining marks"] = "a,b,y\n1,2,😀\n3,4,é\n5,6,😀\n".encode()
TABLES["right to left text"] = "a,b,y\n1,2,שלום\n3,4,مرحبا\n5,6,שלום\n".encode()
TABLES["a mark inside"] = rows("1,2,p", "\ufeff3,4,q", "5,6,p")
# line ends
TABLES["dos line ends"] = (H + R).replace(b"\n", b"\r\n")
TABLES["mac line ends"] = (H + R).replace(b"\n", b"\r")
TABLES["mixed line ends"] = H + b"1,2,p\r\n3,4,q\n5,6,p\r\n"
TABLES["a mac line among others"] = H + b"1,2,p\r3,4,q\n5,6,p\n"
TABLES["double carriage return"] = (H + R).replace(b"\n", b"\r\r\n")
TABLES["no last line end"] = (H + R).rstrip(b"\n")
TABLES["unicode line separator in a cell"] = "a,b,y\n1,2,p\u2028x\n3,4,q\n5,6,q\n".encode()
TABLES["vertical tab and form feed"] = rows("1,2,p\x0bx", "3,4,q\x0c", "5,6,p\x0bx")
TABLES["next line character"] = "a,b,y\n1,2,p\x85\n3,4,q\n5,6,q\n".encode()
TABLES["control-z at the end"] = H + R + b"\x1a"
TABLES["dos line ends within quotes"] = H + b'1,2,"p\r\np"\r\n3,4,q\r\n5,6,q\r\n'
# empty
TABLES["nothing"] = b""
TABLES["one line end"] = b"\n"
TABLES["only empty lines"] = b"\n\n\n\r\n"
TABLES["only a mark"] = b"\xef\xbb\xbf"
TABLES["only blanks"] = b"   \n  \n"
TABLES["only a header"] = H
TABLES["a header without a line end"] = b"a,b,y"
TABLES["one row"] = rows("1,2,p")
TABLES["one class"] = rows("1,2,p", "3,4,p")
TABLES["empty lines at the end"] = H + R + b"\n\n\n"
TABLES["an empty line inside"] = H + b"1,2,p\n\n3,4,q\n"
TABLES["an empty line first"] = b"\n" + H + R
TABLES["a line of blanks inside"] = H + b"1,2,p\n   \n3,4,q\n"
TABLES["a line of commas"] = rows("1,2,p", ",,", "3,4,q")
TABLES["commas only"] = b",,\n,,\n,,\n"
TABLES["delimiters at the ends of lines"] = b"a,b,y,\n1,2,p,\n3,4,q,\n"
TABLES["delimiters at the ends of rows only"] = b"a,b,y\n1,2,p,\n3,4,q,\n"
TABLES["delimiters at the beginnings"] = b",a,b,y\n,1,2,p\n,3,4,q\n,5,6,p\n"
# comments and preambles
TABLES["a comment first"] = b"# made by a program\n" + H + R
TABLES["a comment inside"] = rows("1,2,p", "# 3,4,q", "5,6,q")
TABLES["excel's sep line"] = b"sep=;\na;b;y\n1;2;p\n3;4;q\n"
TABLES["a title line"] = b"Results of 2024\n" + H + R
TABLES["a units line"] = b"a,b,y\nkg,cm,-\n1,2,p\n3,4,q\n5,6,p\n"
TABLES["a sum at the end"] = rows("1,2,p", "3,4,q", "Total,6,")
TABLES["html"] = b"<!DOCTYPE html>\n<html><body>404, not found, sorry</body></html>\n"
TABLES["json"] = b'{"a": 1, "b": 2}\n'
TABLES["json lines"] = b'{"a": 1, "b": 2, "y": "p"}\n{"a": 3, "b": 4, "y": "q"}\n'
TABLES["xml"] = b'<?xml version="1.0"?>\n<a><b>1</b></a>\n'
TABLES["an xlsx"] = b"PK\x03\x04" + bytes(range(256)) * 4
TABLES["an old xls"] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(200)
TABLES["a pdf"] = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"
TABLES["a pickle"] = b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}\x94."
TABLES["random bytes"] = bytes((i * 197 + 13) % 256 for i in range(5000))
# quotes
TABLES["quoted cells"] = b'"a","b","y"\n"1","2","p"\n"3","4","q"\n"5","6","p"\n'
TABLES["a quote not closed"] = H + b'1,2,"p\n3,4,q\n5,6,p\n'
TABLES["a quote not closed far from the end"] = H + b'1,2,"p\n' + b"3,4,q\n" * 60000
TABLES["a quote not closed in the header"] = b'a,"b,y\n1,2,p\n3,4,q\n'
TABLES["a lone quote inside"] = H + b'1,2,p"q\n3,4,q\n5,6,q\n'
TABLES["text behind a closing quote"] = H + b'1,2,"p"q\n3,4,q\n'
TABLES["doubled quotes"] = H + b'1,2,"p ""x"""\n3,4,q\n5,6,q\n'
TABLES["backslash quotes"] = H + b'1,2,"p \\"x\\""\n3,4,q\n'
TABLES["single quotes"] = b"'a','b','y'\n'1','2','p'\n'3','4','q'\n"
TABLES["curly quotes"] = "a,b,y\n“1”,2,p\n3,4,q\n5,6,p\n".encode()
TABLES["a delimiter in quotes"] = H + b'1,2,"p, r"\n3,4,q\n5,6,q\n'
TABLES["line ends in quotes"] = H + b'1,2,"p\n\n\np"\n3,4,q\n5,6,q\n'
TABLES["blanks before a quote"] = H + b'1, 2, "p"\n3, 4, "q"\n5, 6, "p"\n'
TABLES["blanks behind a quote"] = H + b'1,2,"p" \n3,4,"q" \n'
TABLES["an empty quoted cell"] = H + b'"",2,p\n3,4,q\n5,6,p\n'
# numbers
for name, cell in {
    "beyond a float": "1e999",
    "below a float": "1e-999",
    "hexadecimal": "0x10",
    "octal": "0o17",
    "binary": "0b11",
    "underscore": "1_000",
    "thousands in quotes": '"1,234"',
    "decimal comma in quotes": '"1,5"',
    "full-width": "１２",
    "arabic digits": "١٢",
    "infinity": "Infinity",
    "minus inf": "-inf",
    "nan": "nan",
    "NA": "NA",
    "NaN": "NaN",
    "N/A": "N/A",
    "null": "null",
    "a dash": "-",
    "a question mark": "?",
    "a blank": " ",
    "a no-break space": "\u00a0",
    "percent": "12%",
    "a currency": "$12",
    "a euro": "12 €",
    "a unicode minus": "−5",
    "plus": "+5",
    "point only": ".",
    "point first": ".5",
    "point last": "5.",
    "an exponent": "1E5",
    "a bare exponent": "e5",
    "leading zero": "007",
    "leading zero with a minus": "-007",
    "many digits": "9" * 400,
    "a long fraction": "0." + "3" * 5000,
    "an integer beyond 2^53": "9007199254740993",
    "true": "True",
    "a fraction": "1/2",
    "a formula": "=1+1",
    "excel's error": "#DIV/0!",
    "excel's n/a": "#N/A",
    "fortran": "1.0D+05",
    "space inside": "1 000",
    "tab around": "\t5\t",
    "imaginary": "1j",
    "a soft hyphen": "5\u00ad",
    "zero width space": "5\u200b",
    "superscript": "5²",
    "roman": "Ⅷ",
    "NUL": "5\0",
}.items():
    TABLES["number: " + name] = with_cell(cell)
# dates
D = "d,b,y\n{},2,p\n{},4,q\n{},6,p\n"
TABLES["dates"] = D.format("2024-01-31", "2024-02-01", "2024-02-29").encode()
TABLES["dates, one impossible"] = D.format("2024-01-31", "2023-02-29", "2024-03-01").encode()
TABLES["dates, two orders"] = D.format("31.01.2024", "01/31/2024", "2024-01-31").encode()
TABLES["dates with times"] = D.format("2024-01-31 10:20", "2024-01-31T10:20:30Z", "2024-02-01").encode()
TABLES["dates in japanese"] = D.format("2024年1月31日", "2024年2月1日", "令和6年3月1日").encode()
TABLES["dates of year 0"] = D.format("0000-01-01", "9999-12-31", "2024-01-01").encode()
# columns
TABLES["one column"] = b"y\np\nq\np\n"
TABLES["two names the same"] = b"a,a,y\n1,2,p\n3,4,q\n"
TABLES["names that differ by blanks"] = b"a, a ,y\n1,2,p\n3,4,q\n"
TABLES["an empty name"] = b"a,,y\n1,2,p\n3,4,q\n5,6,p\n"
TABLES["two empty names"] = b",,y\n1,2,p\n3,4,q\n"
TABLES["no header"] = b"1,2,p\n3,4,q\n5,6,p\n"
TABLES["no header, numbers"] = b"1,2,0\n3,4,1\n5,6,0\n"
TABLES["names that are numbers"] = b"1,2,y\n1,2,p\n3,4,q\n5,6,p\n"
TABLES["a name of 100 kB"] = b"a" * 100_000 + b",b,y\n1,2,p\n3,4,q\n5,6,p\n"
TABLES["a name with a line end"] = b'"a\nb",b,y\n1,2,p\n3,4,q\n5,6,p\n'
TABLES["a name that is markup"] = b"<img src=x onerror=alert(1)>,b,y\n1,2,p\n3,4,q\n5,6,p\n"
TABLES["a name that is a path"] = b"../../etc/passwd,b,y\n1,2,p\n3,4,q\n5,6,p\n"
TABLES["a name with an escape sequence"] = b"\x1b[31mred,b,y\n1,2,p\n3,4,q\n5,6,p\n"
TABLES["a short row"] = rows("1,2,p", "3,4", "5,6,p")
TABLES["a long row"] = rows("1,2,p", "3,4,q,9", "5,6,p")
TABLES["a long last row"] = rows("1,2,p", "3,4,q", "5,6,p,,,,,")
TABLES["100,000 columns"] = (
    ",".join(f"c{i}" for i in range(100_000))
    + ",y\n"
    + "".join(",".join(["1"] * 50000 + [str(k)] * 50000) + f",{'pqr'[k]}\n" for k in range(3))
).encode()
TABLES["100,000 empty columns"] = b"," * 100_000 + b"y\n" + b"," * 100_000 + b"p\n"
TABLES["a constant column"] = b"a,b,y\n1,2,p\n1,4,q\n1,6,p\n"
TABLES["a column without a cell"] = b"a,b,y\n,2,p\n,4,q\n,6,p\n"
TABLES["the target without a cell"] = b"a,b,y\n1,2,\n3,4,\n5,6,\n"
TABLES["a target half missing"] = b"a,b,y\n1,2,p\n3,4,\n5,6,q\n7,8,p\n"
TABLES["a target of all different texts"] = b"a,b,y\n" + b"".join(b"%d,%d,t%d\n" % (i, i, i) for i in range(300))
TABLES["no target of that name"] = b"a,b,z\n1,2,p\n3,4,q\n"
TABLES["a target in other letters"] = b"a,b,Y\n1,2,p\n3,4,q\n"
# delimiters
TABLES["semicolons"] = (H + R).replace(b",", b";")
TABLES["tabs"] = (H + R).replace(b",", b"\t")
TABLES["bars"] = (H + R).replace(b",", b"|")
TABLES["blanks"] = (H + R).replace(b",", b" ")
TABLES["semicolons and decimal commas"] = b"a;b;y\n1,5;2,5;p\n3,5;4,5;q\n5,5;6,5;p\n"
TABLES["two delimiters that fit"] = b"a;b,c;y\n1;2,3;p\n4;5,6;q\n"
TABLES["colons"] = (H + R).replace(b",", b":")
TABLES["control-a"] = (H + R).replace(b",", b"\x01")
# sizes
TABLES["a cell of 200 kB"] = H + b"1,2," + b"p" * 200_000 + b"\n3,4,q\n5,6,q\n"
TABLES["a quoted cell of 200 kB"] = H + b'1,2,"' + b"p\n" * 100_000 + b'"\n3,4,q\n5,6,q\n'
TABLES["a line of 20 MB"] = b"a,b,y\n1,2," + b"p" * 20_000_000 + b"\n"
TABLES["no line end in 20 MB"] = b"x" * 20_000_000
TABLES["a million empty lines"] = H + b"\n" * 1_000_000
TABLES["200,000 short rows"] = H + b"1,2,p\n3,4,q\n" * 100_000
TABLES["a late text among numbers"] = H + b"1,2,p\n3,4,q\n" * 40_000 + b"x,4,q\n"
TABLES["a late ragged row"] = H + b"1,2,p\n3,4,q\n" * 40_000 + b"1,2\n"
TABLES["nul bytes for a hole"] = H + R + bytes(4096)
TABLES["nul bytes only"] = bytes(4096)
TABLES["100,000 categories"] = H + b"".join(b"t%d,%d,%s\n" % (i, i, b"pq"[i % 2 : i % 2 + 1]) for i in range(100_000))
TABLES["100,000 classes"] = H + b"".join(b"%d,%d,t%d\n" % (i % 7, i, i // 2) for i in range(100_000))
TABLES["one cell of quotes"] = H + b"1,2," + b'"' * 99_998 + b"\n3,4,q\n"
TABLES["backtracking bait"] = H + (b"1" * 50_000 + b"-,2,p\n") * 3 + b"3,4,q\n"

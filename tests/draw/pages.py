"""What the tests of pages and charts share: hostile names, and a strict reader of HTML."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></style></svg><script>alert(1)</script>",
    "<!-- ",
    "]]>",
    "&lt;b&gt; &amp;",
    "javascript:alert(1)",
    "url(//example)",
    "a\x00b\x1b[31mred\x7f\x85",
    "abc\u202egnp.exe\u2066",
    "\ud800 lone surrogate \uffff",
    "{0} %s ${x}",
    "改行\nとタブ\t",
)

VOID = {"meta", "br", "img", "input", "hr", "link"}


@dataclass
class Element:
    name: str
    attributes: dict[str, str]
    children: list[Element | str] = field(default_factory=list)

    def all(self, name: str | None = None) -> list[Element]:
        found = [] if name not in (None, self.name) else [self]
        for child in self.children:
            if isinstance(child, Element):
                found += child.all(name)
        return found

    def text(self, language: str | None = None) -> str:
        """The text inside; with a language, without what is in another one."""
        if language and self.attributes.get("class") in {"en", "ja"} - {language}:
            return ""
        return "".join(c if isinstance(c, str) else c.text(language) for c in self.children)


class _Reader(HTMLParser):
    """Fails at a tag that is closed but not open, left open, or given an attribute twice."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.stack = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open(tag, attrs)
        if tag in VOID:
            self.stack.pop()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open(tag, attrs)
        self.stack.pop()

    def _open(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute twice in <{tag}>: {attrs}"
        new = Element(tag, {name: value or "" for name, value in attrs})
        self.stack[-1].children.append(new)
        self.stack.append(new)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack[-1].name == tag, f"</{tag}> inside <{self.stack[-1].name}>, line {self.getpos()}"
        self.stack.pop()

    def handle_data(self, data: str) -> None:
        self.stack[-1].children.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data!r}")


def read(page: str) -> Element:
    """The page's tree.  AssertionError when it is not well formed."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    assert len(reader.stack) == 1, f"left open: {[e.name for e in reader.stack]}"
    return reader.stack[0]

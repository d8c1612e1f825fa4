"""Documents on the command line: printed or written, as text, a page or LaTeX."""

from __future__ import annotations

from pathlib import Path

import click

FORMATS = ("text", "html", "latex")


def by_ending(out: Path | None) -> str:
    """The format that the file's name asks for."""
    return {".html": "html", ".htm": "html", ".tex": "latex"}.get(out.suffix.lower() if out else "", "text")


def deliver(document: object, kind: str, lang: str, out: Path | None, what: str) -> None:
    """Print the document, or write it durably."""
    from denpa import durable
    from denpa.draw import html, latex, text
    from denpa.explain.document import Document, Language

    assert isinstance(document, Document)
    language: Language = "ja" if lang == "ja" else "en"
    if kind == "html":
        page = html.page(document, language)
    elif kind == "latex":
        page = latex.page(document, language)
    else:
        page = "\n".join(text.lines(document, language)) + "\n"
    if out is None:
        click.echo(page, nl=False)
        return
    durable.write(out, page.encode("utf-8"), what=what)
    click.echo(f"{out}")

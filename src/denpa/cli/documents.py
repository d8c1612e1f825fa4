"""Documents on the command line: printed or written, as text, a page, LaTeX or JSON."""

from __future__ import annotations

from pathlib import Path

import click

PAGES = ("text", "html", "latex")
FORMATS = (*PAGES, "json")


def by_ending(out: Path | None) -> str:
    """The format that the file's name asks for."""
    return {".html": "html", ".htm": "html", ".tex": "latex", ".json": "json"}.get(
        out.suffix.lower() if out else "", "text"
    )


def deliver(document: object, kind: str, lang: str, out: Path | None, what: str) -> None:
    """Print the document, or write it durably."""
    from denpa.draw import data, html, latex, text
    from denpa.explain.document import Document, Language

    assert isinstance(document, Document)
    language: Language = "ja" if lang == "ja" else "en"
    if kind == "html":
        page = html.page(document, language)
    elif kind == "latex":
        page = latex.page(document, language)
    elif kind == "json":
        page = data.text(document, language) + "\n"
    else:
        page = "\n".join(text.lines(document, language)) + "\n"
    hand_over(page, out, what)


def hand_over(text: str, out: Path | None, what: str) -> None:
    """Print the text, or write it durably and say where."""
    from denpa import durable

    if out is None:
        click.echo(text, nl=False)
        return
    durable.write(out, text.encode("utf-8"), what=what)
    click.echo(f"{out}")

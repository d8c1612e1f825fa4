"""What a column is, from all that was counted of it: the rules, each with the sentence that gives its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from denpa.data.cells import DATES, DECIMAL_COMMA, DECIMALS
from denpa.data.dates import date_of, looks_ambiguous
from denpa.data.files import listed, shown
from denpa.data.scan import ColumnScan, Seen
from denpa.data.targets import FEW, MAXIMUM_CLASSES, SHARE, TASKS, label_of, too_many_classes
from denpa.errors import DataError, UsageError
from denpa.formatting import typed

MOST_CATEGORIES = 100  # of a column of text: each is an input of the network
IDS_FROM = 100  # rows: fewer whole numbers may all differ by chance
RATIO = 20  # of the most to the least frequent class: worth a warning


@dataclass(frozen=True)
class Column:
    """One column of a schema.

    reason: why it is of this kind.  missing: cells.  distinct: values, None when there are more than were counted.
    low, high, mean, std: of numbers, and of dates in days since 1970-01-01.  values: the categories, or a target's
    classes, in the order of their codes; counts: cells of each.  notices: sentences worth saying aloud.  otherwise:
    the kind it would have if it did not look like an id.  dates: the numbers of a time are days.
    """

    name: str
    kind: str
    reason: str
    missing: int = 0
    distinct: int | None = None
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    std: float | None = None
    values: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    notices: tuple[str, ...] = field(default=(), compare=False)
    otherwise: str = field(default="", compare=False)
    dates: bool = False


@dataclass(frozen=True)
class Role:
    """A column before it is decided.  wish: the kind the user wants.  values: the categories the user wants."""

    name: str
    where: str
    unit: str
    wish: str | None = None
    values: tuple[str, ...] = ()

    def first(self, seen: Seen) -> str:
        return f"{self.where}, first at {self.unit} {seen.place:,}"


def decide_column(scan: ColumnScan, role: Role) -> Column:
    """The kind of a column that is no target.  DataError when it cannot be what the user wants, or is undecided."""
    if role.wish is None:
        return _automatic(scan, role)
    decided = {"number": _asked_number, "category": _asked_category, "date": _asked_date}
    return decided.get(role.wish, _asked_other)(scan, role)


def _asked_number(scan: ColumnScan, role: Role) -> Column:
    _refuse(scan, role)
    return _facts(scan, role, "number", "a number, as asked for")


def _asked_category(scan: ColumnScan, role: Role) -> Column:
    return _category(scan, role, "categories, as asked for")


def _asked_date(scan: ColumnScan, role: Role) -> Column:
    if _is_date(scan):
        return _date(scan, role)
    raise DataError(
        f"column {shown(role.name)} does not hold dates that can be read in one way only",
        where=role.first(scan.text) if scan.text.count else role.where,
        got=shown(scan.text.cell) if scan.text.count else "numbers",
        want=DATES,
    )


def _asked_other(scan: ColumnScan, role: Role) -> Column:
    """id, drop, group, weight or time."""
    kind = str(role.wish)
    if kind in ("id", "drop"):
        return _facts(scan, role, kind, "left out, as asked for", speak=False)
    dated = kind == "time" and _is_date(scan)
    if kind != "group":
        _refuse(scan, role, dated=dated)
    _no_missing(scan, role, as_number=kind != "group")
    reason = f"the {kind} of each row, as asked for"
    return _facts(scan, role, kind, reason, "date" if dated else "number", speak=False)


def _automatic(scan: ColumnScan, role: Role) -> Column:
    if scan.infinite.count:
        _refuse(scan, role)
    if not (scan.number.count or scan.text.count or scan.date.count):
        return _facts(scan, role, "drop", f"missing in all {scan.rows:,} rows")
    if _is_date(scan):
        return _date(scan, role)
    if not scan.text.count and not scan.zeros.count:
        unique = scan.distinct.finish() or (scan.distinct.answer is None and scan.number.rising)
        if scan.declared != "truth" and scan.number.whole and unique and scan.number.count >= IDS_FROM:
            reason = f"whole numbers, none of the {scan.number.count:,} twice: an identifier"
            return _facts(scan, role, "id", reason, "number")
        said = "true or false, as 1 and 0" if scan.declared == "truth" else f"{scan.number.count:,} numbers"
        return _facts(scan, role, "number", said)
    return _text(scan, role)


def _text(scan: ColumnScan, role: Role) -> Column:
    if scan.zeros.count and not scan.text.count:
        what = f"codes ({shown(scan.zeros.cell)} in {role.unit} {scan.zeros.place:,} has a leading zero)"
    else:
        if DECIMAL_COMMA.fullmatch(scan.text.cell) or scan.number.count > scan.text.count:
            _refuse(scan, role)  # a column of numbers with faults
        what = "text"
    distinct = None if scan.vocabulary is None else len(scan.vocabulary)
    present = scan.present
    if distinct is not None and distinct == present > 2:
        column = _facts(scan, role, "id", f"{what}, none of the {present:,} values twice: an identifier", "category")
        if present > MOST_CATEGORIES:
            return replace(column, otherwise="")
        values = tuple(sorted(scan.vocabulary or ()))
        return replace(column, values=values, counts=(1,) * len(values))
    if distinct is None or distinct > MOST_CATEGORIES:
        count = "more than can be counted" if distinct is None else f"{distinct:,}"
        kind = "id" if scan.distinct.finish() else "drop"
        ambiguous = "; if these are dates, write them as 2024-03-31" if looks_ambiguous(scan.text.cell) else ""
        reason = f"{what} with {count} different values, more than {MOST_CATEGORIES} categories{ambiguous}"
        return replace(_facts(scan, role, kind, reason), otherwise="")
    return _category(scan, role, f"{what} with {distinct} different values")


def _date(scan: ColumnScan, role: Role) -> Column:
    span = f"{date_of(scan.date.low)} to {date_of(scan.date.high)}" if scan.date.count else ""
    return _facts(scan, role, "date", f"dates, {span}, as numbers of days", "date")


def _category(scan: ColumnScan, role: Role, reason: str) -> Column:
    if scan.vocabulary is None:
        raise DataError(
            f"column {shown(role.name)} has too many different values for categories",
            where=role.where,
            got=f"more than {scan.limit:,}",
            want=f"at most {scan.limit:,}: each is an input of the network",
            fix=f"leave the column out: --drop {typed(role.name)}",
        )
    values = role.values or tuple(sorted(scan.vocabulary))
    counts = tuple(scan.vocabulary[value] for value in values)
    return replace(_facts(scan, role, "category", reason), values=values, counts=counts)


def _facts(
    scan: ColumnScan, role: Role, kind: str, reason: str, measured: str = "number", *, speak: bool = True
) -> Column:
    """The column with its figures.  measured: what its cells are.  speak: say aloud what is not obvious."""
    texts = bool(scan.text.count > scan.date.count or scan.zeros.count)
    as_words = kind not in ("category", "group") and not texts
    words = scan.conventional if as_words else Counter[str]()
    missing = scan.empty.count + scan.marked.total() + words.total()
    moments = None if not as_words else scan.date if measured == "date" else scan.number
    moments = moments if moments is not None and moments.count else None
    distinct = None
    if scan.vocabulary is not None:
        distinct = len(scan.vocabulary) - sum(word in scan.vocabulary for word in words)
    notices, name = [], shown(role.name)
    if words:
        said = ", ".join(f"{shown(word)} in {count:,} rows" for word, count in words.most_common())
        reason += f"; missing: {said}"
        notices.append(f"column {name}: {said}, taken as missing")
    if speak and kind in ("id", "drop"):
        keep = "category" if texts else measured
        notices.append(f"column {name} is left out: {reason}; to keep it: --type {typed(f'{role.name}={keep}')}")
    if speak and kind == "date":
        notices.append(f"column {name}: {reason}")
    constant = moments is not None and moments.low == moments.high and kind in ("number", "date")
    if speak and scan.present and (constant or (kind == "category" and distinct == 1)) and not missing:
        notices.append(f"column {name} has one value only: nothing can be learned from it")
    return Column(
        role.name,
        kind,
        reason,
        missing,
        distinct,
        moments.low if moments else None,
        moments.high if moments else None,
        moments.mean if moments else None,
        moments.std if moments else None,
        notices=tuple(notices),
        otherwise=measured if kind == "id" and speak else "",
        dates=kind == "time" and measured == "date",
    )


def _is_date(scan: ColumnScan) -> bool:
    return scan.dated and scan.date.count > 0 and not scan.number.count and scan.date.count >= scan.text.count


def _refuse(scan: ColumnScan, role: Role, dated: bool = False) -> None:
    """DataError unless all cells that are present are numbers (or dates)."""
    name = shown(role.name)
    if scan.infinite.count:
        word = scan.infinite.cell
        raise DataError(
            f"column {name}: {scan.infinite.count:,} of {scan.rows:,} cells are NaN or infinite",
            where=role.first(scan.infinite),
            got=shown(word),
            want="finite numbers",
            fix=f"correct these cells{_as_missing(word)}",
        )
    if not scan.text.count or dated:
        return
    comma = DECIMAL_COMMA.fullmatch(scan.text.cell)
    as_categories = typed(f"{role.name}=category")
    fix = f"correct these cells{_as_missing(scan.text.cell)} ; or the column as categories: --type {as_categories}"
    raise DataError(
        f"column {name}: {scan.text.count:,} of {scan.rows:,} cells are not numbers",
        where=role.first(scan.text),
        got=shown(scan.text.cell),
        want=DECIMALS,
        fix="write decimals with a point (1.5 for 1,5)" if comma else fix,
    )


def _as_missing(cell: str) -> str:
    """The option that takes a cell for a missing one, unless nobody would type it."""
    return f", or take them as missing: --na {typed(cell)}" if len(cell) <= 40 else ""


def _no_missing(scan: ColumnScan, role: Role, as_number: bool) -> None:
    """DataError when cells of a target, weight or time are missing."""
    words = scan.conventional.total() if as_number else 0
    missing = scan.empty.count + scan.marked.total() + words
    if not missing:
        return
    first = scan.empty if scan.empty.count else scan.word
    raise DataError(
        f"column {shown(role.name)}: {missing:,} of {scan.rows:,} cells are "
        + ("empty" if scan.empty.count == missing else "missing"),
        where=role.first(first),
        got=shown(first.cell),
        want=f"a value in every row of the {role.wish}",
        fix=_mended(role, example=scan.word.cell if scan.word.count else "")
        + (", or say --task classification" if words and role.wish == "target" else ""),
    )


def _mended(role: Role, example: str) -> str:
    if role.wish != "target":
        return "fill these cells or remove their rows"
    word = f"--na {typed(example)} " if example else ""
    return f"fill these cells, or leave their rows out: {word}--drop-missing-target"


def decide_target(scan: ColumnScan, role: Role, task: str) -> tuple[Column, str, str]:
    """The target's column, the task, and its reason as a sentence.

    Classes: text; true or false; two distinct whole numbers; at most FEW whole numbers that are fewer than SHARE of
    the rows.  DataError for missing cells, and when there is nothing to learn.
    """
    if task not in TASKS:
        raise UsageError("unknown task", got=repr(task), want=f"one of {', '.join(TASKS)}")
    if task == "multilabel":
        raise UsageError("several labels need several target columns", where=role.where, got=f"one, {shown(role.name)}")
    name = shown(role.name)
    texts = scan.text.count or scan.zeros.count
    if texts and task != "classification" and not scan.zeros.count and scan.number.count:
        raise _mixed_target(scan, role)
    _no_missing(scan, role, as_number=not texts)
    if scan.infinite.count:
        _refuse(scan, role)
    numbers = None if scan.vocabulary is None or texts else sorted({float(w) for w in scan.vocabulary if _plain(w)})
    reason = None
    if task == "classification":
        reason = f"{name}: classes, because classification was asked for"
    elif task == "auto" and texts:
        reason = f"{name} holds text: one class for each distinct text"
    elif task == "auto" and scan.declared == "truth":
        reason = f"{name}: classes, because it is true or false"
    elif task == "auto" and numbers is not None and scan.number.whole:
        count = len(numbers)
        if count == 2 or (count <= FEW and count < SHARE * scan.rows):
            reason = f"{name} has {count} distinct integers in {scan.rows:,} rows: read as {count} classes"
    if reason is not None:
        return _classes(scan, role, task, reason), "classification", reason
    if texts:
        raise DataError(
            f"the target {name} holds text, regression needs numbers",
            where=role.where,
            got=f"for example {shown(scan.text.cell or scan.zeros.cell)}",
            want="a plain decimal number in each row",
        )
    return _regression(scan, role), "regression", _reason_for_numbers(numbers, scan.rows, name, task)


def _mixed_target(scan: ColumnScan, role: Role) -> DataError:
    return DataError(
        f"column {shown(role.name)}: {scan.text.count:,} of {scan.rows:,} cells are not numbers",
        where=role.first(scan.text),
        got=shown(scan.text.cell),
        want="numbers in every row of the target, or text in every row",
        fix="correct these cells or remove their rows; if the column holds classes, say --task classification",
    )


def _reason_for_numbers(numbers: Sequence[float] | None, rows: int, name: str, task: str) -> str:
    if task == "regression":
        return f"{name}: numbers, because regression was asked for"
    count = f"{len(numbers):,}" if numbers is not None else f"more than {MAXIMUM_CLASSES:,}"
    return f"{name} has {count} distinct numbers in {rows:,} rows: regression"


def _plain(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def class_name(cell: str) -> str:
    """The class a numeric cell stands for: 3 for 3, 3.0 and 03."""
    return label_of(float(cell))


def _classes(scan: ColumnScan, role: Role, task: str, reason: str) -> Column:
    texts = scan.text.count or scan.zeros.count
    found: Counter[str] = Counter()
    if scan.vocabulary is None:
        raise too_many_classes(role.name, role.where, MAXIMUM_CLASSES + 1, scan.rows)
    for cell, count in scan.vocabulary.items():
        found[cell if texts else class_name(cell)] += count
    values = tuple(sorted(found) if texts else sorted(found, key=float))
    if len(values) < 2:
        raise DataError(
            f"the target {shown(role.name)} has 1 class: there is nothing to learn",
            where=role.where,
            got=f"{shown(values[0])} in all {scan.rows:,} rows",
            want="at least 2 classes",
            fix="check that the file is complete and the target is the right column",
        )
    if task == "auto" and texts and len(values) == scan.rows > 2:
        raise too_many_classes(role.name, role.where, len(values), scan.rows)
    counts = tuple(found[value] for value in values)
    notices = []
    name = shown(role.name)
    if alone := [value for value in values if found[value] == 1]:
        notices.append(f"target {name}: {len(alone)} classes have a single row ({listed(alone, 4)}): never validated")
    if max(counts) > RATIO * min(counts):
        most, least = values[counts.index(max(counts))], values[counts.index(min(counts))]
        notices.append(
            f"target {name}: {max(counts):,} rows of {shown(most)} and {min(counts):,} of {shown(least)}: "
            "a network that always says the former looks good"
        )
    return Column(role.name, "target", reason, 0, len(values), values=values, counts=counts, notices=tuple(notices))


def _regression(scan: ColumnScan, role: Role) -> Column:
    found = scan.number
    if found.low == found.high:
        raise DataError(
            f"the target {shown(role.name)} has one value only: there is nothing to learn",
            where=role.where,
            got=f"{found.low} in all {scan.rows:,} rows",
            want="at least two different values",
        )
    return Column(
        role.name,
        "target",
        "numbers",
        0,
        None if scan.vocabulary is None else len(scan.vocabulary),
        found.low,
        found.high,
        found.mean,
        found.std,
    )


def decide_targets(scans: Sequence[ColumnScan], roles: Sequence[Role], task: str) -> tuple[list[Column], str, str]:
    """Several targets: 0/1 labels when each column holds these two values only, else numbers."""
    for scan, role in zip(scans, roles, strict=True):
        _no_missing(scan, role, as_number=True)
        _refuse(scan, role)
    names = listed([role.name for role in roles], 4)
    binary = all((scan.number.low, scan.number.high, scan.number.whole) == (0, 1, True) for scan in scans)
    if task == "classification" and not binary:
        raise DataError(
            "several targets are classes only when each is 0 or 1",
            where=roles[0].where,
            got=f"the targets {names}",
            fix="name one target, or leave --task out",
        )
    columns = [_regression(scan, role) for scan, role in zip(scans, roles, strict=True)]
    if binary and task != "regression":
        return columns, "multilabel", f"{names} hold 0 and 1 only: {len(roles)} labels that a row may have at once"
    return columns, "regression", f"{names}: {len(roles)} columns of numbers, {len(roles)} outputs"

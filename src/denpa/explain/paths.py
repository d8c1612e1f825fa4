"""A derivative as a sum over paths: how many there are, the largest of them, and the rest as one sum.

∂root/∂w = Σ over all paths from w to the root of the product of the local derivatives on them.  The number of paths is
exponential in the depth, so they are never listed: counts, sums and the largest product from every element onward come
from dynamic programming over the links, and the largest paths from a best-first search that those bounds make exact.
Source: seed 002, "通り道すべてで偏微分する" (one weight's gradient as the sum over all its paths).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from denpa.arrays import Array
from denpa.errors import GradientError, UsageError, user_line
from denpa.explain import elements
from denpa.graph import Node, ancestors, require_scalar
from denpa.nn.choices import whole

MAX_TOP = 10_000


class Element(NamedTuple):
    """One element of a node's value."""

    node: Node
    at: tuple[int, ...]


class Stop(NamedTuple):
    """An element a path passes, the local derivative with which it goes on from there (1 at the end), and by which
    part of a fused operation."""

    element: Element
    factor: float
    via: str = ""


@dataclass(frozen=True)
class Path:
    """One path, and the product of its factors."""

    stops: tuple[Stop, ...]
    product: float

    @property
    def factors(self) -> tuple[float, ...]:
        return tuple(stop.factor for stop in self.stops[:-1])


@dataclass(frozen=True)
class Rest:
    """All paths but the largest ones.  largest: a bound that none of their products exceeds in size."""

    count: int
    total: float
    absolute: float
    largest: float


@dataclass(frozen=True)
class Ranking:
    """The paths with the largest products, largest first, and what the others add up to.

    The rest is summed over the search's unfinished beginnings, not by subtraction: that the two close is a check.
    """

    paths: tuple[Path, ...]
    rest: Rest

    @property
    def total(self) -> float:
        return math.fsum([*(p.product for p in self.paths), self.rest.total])


@dataclass(frozen=True)
class Bundle:
    """All paths through one element: how many, their sum, and the sum of their sizes."""

    element: Element
    count: int
    total: float
    absolute: float
    before: float  # the sum over the ways from the weight to the element
    after: float  # and from the element to the root: ∂root/∂element


class _Block(NamedTuple):
    """Links between two nodes, by the numbers of their elements."""

    source: Array
    to: Array
    value: Array
    via: str


class PathSum:
    """All paths from one element to a root of shape ().

    stations: nodes between which paths are not told apart; every path is then a way through stations, and a factor is
    the whole derivative from one to the next.  None: every recorded operation counts.
    count: exact.  total: Σ of products, the derivative.  absolute: Σ of their sizes.  factors: how many factors the
    products have together.  GradientError when the root does not depend on the element, or a local derivative is not
    finite; UsageError when there are too many local derivatives.
    """

    def __init__(self, root: Node, wrt: Node, at: tuple[int, ...], stations: Collection[Node] | None = None) -> None:
        require_scalar(root.value, "a sum over paths")
        self.root, self.target = root, Element(wrt, at)
        self._elements: dict[Node, Array] = {}  # flat positions of the elements that are reached, ascending
        self._start: dict[Node, int] = {}  # the number of the first of them
        self.size = 0
        between = _between(root, wrt)
        blocks = self._expand(between, wrt, at)
        if root not in self._start:
            raise GradientError(
                "the result does not depend on this element",
                where=user_line(),
                got=f"{wrt.label}{list(at)} and {root.label}",
                fix="a max, an index or a constant takes other elements; choose one of those",
            )
        if stations is not None:
            blocks = self._contract(blocks, [n for n in between if n in self._start], {*stations, root, wrt})
        self._blocks = blocks
        self._nodes, self._starts = list(self._start), np.fromiter(self._start.values(), np.intp)
        self.links = sum(len(b.value) for b in blocks)
        self._sum_up()
        self._outgoing: tuple[Array, ...] | None = None

    # -- the links -----------------------------------------------------------------------------------------------------
    def _expand(self, between: Sequence[Node], wrt: Node, at: tuple[int, ...]) -> list[_Block]:
        """The links of all elements that depend on the target, in topological order of the nodes they lead to."""
        reached: dict[Node, Array] = {wrt: np.zeros(wrt.value.size, bool)}
        reached[wrt][_flat(wrt, at)] = True
        self._number(wrt, reached[wrt])
        blocks: list[_Block] = []
        seen = 0
        for node in between[1:]:
            mask = np.zeros(node.value.size, bool)
            found: list[tuple[Node, elements.Links]] = []
            for i, source in enumerate(node.inputs):
                if source in reached and source.requires:
                    for part in elements.links(node, i, reached[source]):
                        _require_finite(part.value, node)
                        mask[part.to] = True
                        found.append((source, part))
                        seen += len(part.value)
            if seen > elements.MAX_LINKS:
                raise too_many(seen)
            if not mask.any():
                continue
            reached[node] = mask
            self._number(node, mask)
            blocks += [
                _Block(self._ids(source, part.source), self._ids(node, part.to), part.value, part.via)
                for source, part in found
                if len(part.value)
            ]
        return blocks

    def _number(self, node: Node, mask: Array) -> None:
        self._elements[node] = np.flatnonzero(mask)
        self._start[node] = self.size
        self.size += len(self._elements[node])

    def _ids(self, node: Node, flat: Array) -> Array:
        return self._start[node] + np.searchsorted(self._elements[node], flat)

    def _contract(self, blocks: list[_Block], nodes: list[Node], stations: set[Node]) -> list[_Block]:
        """Links from station to station: what lies between is multiplied out, ways that meet again are added."""
        starts = np.array([self._start[n] for n in nodes])

        def owner(ids: Array) -> Node:
            return nodes[int(np.searchsorted(starts, ids[0], side="right")) - 1]

        into: dict[Node, list[_Block]] = {}
        for block in blocks:
            into.setdefault(owner(block.to), []).append(block)
        ways: dict[Node, _Block] = {}  # from stations to the elements of a node that is none, sorted by `to`
        kept: list[_Block] = []
        for node in nodes:
            parts = []
            for block in into.get(node, []):
                source = owner(block.source)
                parts.append(block if source in stations else _joined(ways[source], block))
            if not parts:
                continue
            merged = _merged(parts, self.size)
            if node in stations:
                for source in (n for n in nodes if n in stations):
                    low, high = self._start[source], self._start[source] + len(self._elements[source])
                    of = (merged.source >= low) & (merged.source < high)
                    if of.any():
                        kept.append(_Block(merged.source[of], merged.to[of], merged.value[of], ""))
            else:
                ways[node] = merged
        return kept

    # -- dynamic programming ----------------------------------------------------------------------------------------
    def _sum_up(self) -> None:
        """Counts, sums and the largest product, from each element to the root and from the target to each element."""
        end, begin = self._start[self.root], self._start[self.target.node]
        backwards = [(b.to, b.source, b.value) for b in reversed(self._blocks)]
        forwards = [(b.source, b.to, b.value) for b in self._blocks]
        self._after = _sums(backwards, self.size, end)
        self._before = _sums(forwards, self.size, begin)
        self._bound = _largest(backwards, self.size, end)
        self._count_after, lengths = _counts(backwards, self.size, end)
        self._count_before, _ = _counts(forwards, self.size, begin)
        self.count, self.factors = int(self._count_after[begin]), int(lengths[begin])
        self.total, self.absolute = float(self._after[0][begin]), float(self._after[1][begin])
        if not math.isfinite(self.absolute):
            raise GradientError("the sum over the paths overflows", where=user_line(), got=f"{self.total}")

    @property
    def cancellation(self) -> float:
        """Σ|path| / |Σ path|: how many times larger the parts are than their sum.  1: all have one sign; ∞: sum 0."""
        if self.absolute == 0:
            return 1.0
        return self.absolute / abs(self.total) if self.total else math.inf

    @property
    def rounding(self) -> float:
        """What float64 may have done to `total`: eps for each factor and each addition, of the sum of sizes."""
        longest = self.factors / max(self.count, 1)
        return float(np.finfo(np.float64).eps) * self.absolute * (4 + longest + math.sqrt(max(self.links, 1)))

    # -- the largest -----------------------------------------------------------------------------------------------
    def top(self, k: int = 10) -> Ranking:
        """The k paths with the largest products by size, exactly (equal ones in any order); fewer when there are fewer.

        Best-first search (A*): a beginning's priority is its product times the largest product from there on, here as
        a share of the largest product of all.  That bound is reached, so k paths cost k times their length.
        """
        whole("the number of paths to list", k, 0, MAX_TOP)
        first, to, value, via = self._sorted()
        bound, end, begin = self._bound, self._start[self.root], self._start[self.target.node]
        ids, products, came, links = [begin], [1.0], [-1], [-1]  # the beginnings, as a tree of links
        heap = [(-1.0, 0)]  # priority and number, both negative: among equals the newest, so that it goes on to the end
        done: list[int] = []
        while heap and len(done) < k:
            priority, state = heapq.heappop(heap)
            here = ids[-state]
            if here == end:
                done.append(-state)
                continue
            low, high = first[here], first[here + 1]
            # The best way on has ratio exactly 1 and keeps the priority to the bit: paths of equal size, of which a
            # symmetrical network has millions, would otherwise take turns by their rounding errors.
            size = np.abs(value[low:high]) * bound[to[low:high]]
            ratio = size / bound[here] if bound[here] else size
            onward = products[-state] * value[low:high]
            for link, there, product, r in zip(
                range(low, high), to[low:high].tolist(), onward.tolist(), ratio.tolist(), strict=True
            ):
                heapq.heappush(heap, (priority * r, -len(ids)))
                ids.append(there)
                products.append(product)
                came.append(-state)
                links.append(link)
        done.sort(key=lambda state: -abs(products[state]))
        found = [self._path(state, ids, came, links, value, via) for state in done]
        return Ranking(tuple(found), self._rest(heap, ids, products))

    def _rest(self, heap: list[tuple[float, int]], ids: list[int], products: list[float]) -> Rest:
        """Every path that is not done goes on from exactly one unfinished beginning."""
        total, absolute = self._after
        open_ = [(ids[-s], products[-s]) for _, s in heap]
        return Rest(
            sum(int(self._count_after[i]) for i, _ in open_),
            math.fsum(p * float(total[i]) for i, p in open_),
            math.fsum(abs(p) * float(absolute[i]) for i, p in open_),
            -heap[0][0] * float(self._bound[ids[0]]) if heap else 0.0,
        )

    def _sorted(self) -> tuple[Array, ...]:
        """The links that lead on to the root, by the element they leave: first[i]:first[i+1] are those of i."""
        if self._outgoing is None:
            source = np.concatenate([b.source for b in self._blocks])
            to, value = (np.concatenate([getattr(b, name) for b in self._blocks]) for name in ("to", "value"))
            via = np.repeat(np.arange(len(self._blocks)), [len(b.value) for b in self._blocks])
            useful = np.flatnonzero(self._reaches[to])
            order = useful[np.argsort(source[useful], kind="stable")]
            first = np.searchsorted(source[order], np.arange(self.size + 1))
            self._outgoing = (first, to[order], value[order], via[order])
        return self._outgoing

    @property
    def _reaches(self) -> Array:
        return np.asarray(self._count_after != 0, bool)

    def _path(self, state: int, ids: list[int], came: list[int], links: list[int], value: Array, via: Array) -> Path:
        stops = [Stop(self._element(ids[state]), 1.0)]
        factors: list[float] = []
        while came[state] >= 0:
            link = links[state]
            state = came[state]
            factors.append(float(value[link]))
            stops.append(Stop(self._element(ids[state]), factors[-1], self._blocks[int(via[link])].via))
        return Path(tuple(reversed(stops)), math.prod(reversed(factors)))

    def _element(self, number: int) -> Element:
        node = self._nodes[int(np.searchsorted(self._starts, number, side="right")) - 1]
        flat = int(self._elements[node][number - self._start[node]])
        return Element(node, tuple(int(i) for i in np.unravel_index(flat, node.value.shape)))

    # -- groups ----------------------------------------------------------------------------------------------------
    def through(self, node: Node) -> tuple[Bundle, ...]:
        """The paths through each element of a node, those of the largest size first; empty when none passes there.

        Where every path passes the node just once (a layer), the sums add up to `total`.
        """
        if node not in self._start:
            return ()
        low = self._start[node]
        bundles = []
        for number in range(low, low + len(self._elements[node])):
            count = int(self._count_before[number]) * int(self._count_after[number])
            if count:
                (b, babs), (a, aabs) = ((float(s[0][number]), float(s[1][number])) for s in (self._before, self._after))
                bundles.append(Bundle(self._element(number), count, b * a, babs * aabs, b, a))
        return tuple(sorted(bundles, key=lambda bundle: -abs(bundle.total)))

    def every(self) -> Iterator[Path]:
        """All paths one by one, in no order, for small graphs.  UsageError beyond MAX_TOP."""
        if self.count > MAX_TOP:
            raise UsageError(
                "there are too many paths to list", got=f"{self.count:,}", want=f"at most {MAX_TOP:,}", fix="use top(k)"
            )
        first, to, value, via = self._sorted()
        end = self._start[self.root]
        ids, came, links = [self._start[self.target.node]], [-1], [-1]
        stack = [0]
        while stack:
            state = stack.pop()
            here = ids[state]
            if here == end:
                yield self._path(state, ids, came, links, value, via)
                continue
            for link in range(first[here], first[here + 1]):
                stack.append(len(ids))
                ids.append(int(to[link]))
                came.append(state)
                links.append(link)


def too_many(count: int) -> UsageError:
    return UsageError(
        "there are too many local derivatives to follow one by one",
        where=user_line(),
        got=f"{count:,}",
        want=f"at most {elements.MAX_LINKS:,}",
        fix="explain one sample (row=...), or fewer samples",
    )


def _between(root: Node, wrt: Node) -> list[Node]:
    """The nodes on the ways from wrt to root, both included, in topological order."""
    on = {wrt}
    for node in ancestors([root], stop=[wrt], requires_only=True):
        if any(n in on for n in node.inputs):
            on.add(node)
    return [wrt, *sorted(on - {wrt}, key=lambda n: n.serial)]


def _flat(node: Node, at: tuple[int, ...]) -> int:
    shape = node.value.shape
    if len(at) != len(shape) or any(not 0 <= i < n for i, n in zip(at, shape, strict=False)):
        raise UsageError(
            f"{node.label} has no element {list(at)}", where=user_line(), want=f"an index into shape {tuple(shape)}"
        )
    return int(np.ravel_multi_index(at, shape)) if shape else 0


def _require_finite(value: Array, node: Node) -> None:
    if not np.isfinite(value).all():
        raise GradientError(
            "a local derivative is not finite: products along the paths would mean nothing",
            where=user_line(),
            got=f"{value[~np.isfinite(value)][0]} at {node.label!r} of shape {tuple(node.value.shape)}",
            fix="look for the first value that is not finite, or for a slope such as that of √x at 0",
        )


def _joined(ways: _Block, block: _Block) -> _Block:
    """Ways to elements, then links from those elements on: every pair that meets, values multiplied."""
    low = np.searchsorted(ways.to, block.source, side="left")
    many = np.searchsorted(ways.to, block.source, side="right") - low
    if int(many.sum()) > elements.MAX_LINKS:
        raise too_many(int(many.sum()))
    onward = np.repeat(np.arange(block.source.size), many)
    offset = np.arange(len(onward)) - np.repeat(np.cumsum(many) - many, many)
    way = np.repeat(low, many) + offset
    return _Block(ways.source[way], block.to[onward], ways.value[way] * block.value[onward], "")


def _merged(parts: list[_Block], size: int) -> _Block:
    """One link for each pair of elements, sorted by where it leads."""
    source, to, value = (np.concatenate([getattr(p, name) for p in parts]) for name in ("source", "to", "value"))
    pairs, where = np.unique(to.astype(np.int64) * size + source, return_inverse=True)
    return _Block(pairs % size, pairs // size, np.bincount(where, value, len(pairs)), "")


_Triples = Sequence[tuple[Array, Array, Array]]  # links as (known, asked, value), in the order of the passes


def _sums(links: _Triples, size: int, begin: int) -> tuple[Array, Array]:
    """Σ and Σ|·| of the products between `begin` and every element."""
    total, absolute = np.zeros(size), np.zeros(size)
    total[begin] = absolute[begin] = 1.0
    with np.errstate(all="ignore"):
        for known, asked, value in links:
            np.add.at(total, asked, value * total[known])
            np.add.at(absolute, asked, np.abs(value) * absolute[known])
    return total, absolute


def _largest(links: _Triples, size: int, begin: int) -> Array:
    best = np.zeros(size)
    best[begin] = 1.0
    for known, asked, value in links:
        np.maximum.at(best, asked, np.abs(value) * best[known])
    return best


def _counts(links: _Triples, size: int, begin: int) -> tuple[Array, Array]:
    """The number of ways and the number of links on all of them together, exact: Python's integers beyond 2⁶²."""
    rough = np.zeros((2, size))
    exact = np.zeros((2, size), np.int64)
    rough[0, begin] = exact[0, begin] = 1
    for known, asked, _ in links:
        np.add.at(rough[0], asked, rough[0, known])
        np.add.at(rough[1], asked, rough[0, known] + rough[1, known])
        np.add.at(exact[0], asked, exact[0, known])
        np.add.at(exact[1], asked, exact[0, known] + exact[1, known])
    if rough.max() < 2.0**62:
        return exact[0], exact[1]
    large: Any = np.zeros((2, size), object)
    large[0, begin] = 1
    for known, asked, _ in links:
        np.add.at(large[0], asked, large[0, known])
        np.add.at(large[1], asked, large[0, known] + large[1, known])
    return large[0], large[1]

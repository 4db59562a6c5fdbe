"""The Merkle tree of RFC 6962 over the log's chain, built as events come and with bounded memory.

A leaf is the 32-byte chain hash of an event, which is the SHA-256 of the stored record and of the
hash before it: whoever has the record can compute the leaf. Leaves and nodes are hashed as RFC 6962
section 2.1 says, proofs are those of its sections 2.1.1 and 2.1.2, and they are checked as RFC 9162
sections 2.1.3.2 and 2.1.4.2 describe.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""The root of a tree without leaves."""
LEAF: Final = b"\x00"
NODE: Final = b"\x01"
BULK_LEVEL: Final = 6
BULK_LEAVES: Final = 1 << BULK_LEVEL
_sha256 = hashlib.sha256

Span = tuple[int, int]
"""Leaves ``from <= index < to``, counted from 0."""


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of one leaf's bytes."""
    return _sha256(LEAF + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node over its two children."""
    return _sha256(NODE + left + right).digest()


@dataclass(slots=True)
class Frontier:
    """A tree of ``size`` leaves as the roots of its full subtrees, the largest first.

    That is all that is needed to add leaves and to know the root: at most 64 hashes.
    """

    size: int = 0
    nodes: list[bytes] = field(default_factory=list)

    def append(self, leaf: bytes) -> None:
        """Add one leaf by its bytes."""
        node = _sha256(LEAF + leaf).digest()
        nodes, size = self.nodes, self.size
        self.size = size + 1
        while size & 1:
            node = _sha256(NODE + nodes.pop() + node).digest()
            size >>= 1
        nodes.append(node)

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Add leaves by their bytes, most of them a whole subtree at a time, which is faster."""
        index, count = 0, len(leaves)
        while index < count and self.size & (BULK_LEAVES - 1):
            self.append(leaves[index])
            index += 1
        while count - index >= BULK_LEAVES:
            self.append_subtree(BULK_LEVEL, _subtree(leaves[index : index + BULK_LEAVES]))
            index += BULK_LEAVES
        for leaf in leaves[index:]:
            self.append(leaf)

    def append_subtree(self, level: int, node: bytes) -> None:
        """Add a full subtree of 2^level leaves; the size so far has to be a multiple of that."""
        if self.size & ((1 << level) - 1):
            raise ValueError(f"a subtree of 2^{level} leaves cannot begin at {self.size}")
        size = self.size >> level
        self.size += 1 << level
        while size & 1:
            node = node_hash(self.nodes.pop(), node)
            size >>= 1
        self.nodes.append(node)

    def append_frontier(self, other: Frontier) -> None:
        """Add all leaves of another tree, which has to fit where this one ends."""
        for level, node in zip(levels(other.size), other.nodes, strict=True):
            self.append_subtree(level, node)

    def copy(self) -> Frontier:
        """A tree of its own with the same leaves."""
        return Frontier(self.size, list(self.nodes))

    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self.nodes:
            return EMPTY_ROOT
        root = self.nodes[-1]
        for node in reversed(self.nodes[:-1]):
            root = node_hash(node, root)
        return root


def _subtree(leaves: Sequence[bytes]) -> bytes:
    """The root of a full subtree; there are a power of two of leaves."""
    nodes = [_sha256(LEAF + leaf).digest() for leaf in leaves]
    while len(nodes) > 1:
        pairs = iter(nodes)
        nodes = [
            _sha256(NODE + left + right).digest() for left, right in zip(pairs, pairs, strict=True)
        ]
    return nodes[0]


def levels(size: int) -> list[int]:
    """The levels of the full subtrees of a tree of ``size`` leaves, the largest first."""
    return [level for level in reversed(range(size.bit_length())) if size >> level & 1]


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over these leaves."""
    tree = Frontier()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()


# -- proofs ----------------------------------------------------------------------------------------


def inclusion_spans(index: int, size: int) -> list[Span]:
    """The spans whose roots prove that leaf ``index`` is in a tree of ``size`` leaves, in order."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    return list(_inclusion(index, 0, size))


def _inclusion(index: int, start: int, end: int) -> Iterator[Span]:
    if end - start == 1:
        return
    middle = start + split(end - start)
    if index < middle:
        yield from _inclusion(index, start, middle)
        yield middle, end
    else:
        yield from _inclusion(index, middle, end)
        yield start, middle


def consistency_spans(earlier: int, later: int) -> list[Span]:
    """The spans whose roots prove that a tree of ``earlier`` leaves begins one of ``later``."""
    if not 0 < earlier <= later:
        raise ValueError(f"a tree of {earlier} leaves does not begin one of {later}")
    return list(_consistency(earlier, 0, later, whole=True))


def _consistency(size: int, start: int, end: int, *, whole: bool) -> Iterator[Span]:
    if size == end - start:
        if not whole:
            yield start, end
        return
    width = split(end - start)
    if size <= width:
        yield from _consistency(size, start, start + width, whole=whole)
        yield start + width, end
    else:
        yield from _consistency(size - width, start + width, end, whole=False)
        yield start, start + width


def split(width: int) -> int:
    """The largest power of two that is smaller than ``width``."""
    return 1 << ((width - 1).bit_length() - 1)


def span_roots(leaves: Iterable[bytes], spans: Sequence[Span]) -> list[bytes]:
    """The root of each span, from one pass over all leaves; spans may overlap and be in any order.

    Raises:
        ValueError: there are fewer leaves than the spans need.
    """
    trees = [Frontier() for _ in spans]
    bounds = sorted({bound for span in spans for bound in span})
    needed = bounds[-1] if bounds else 0
    index = 0
    active: list[Frontier] = []
    for leaf in leaves:
        if index == needed:
            break
        if bounds and index == bounds[0]:
            bounds.pop(0)
            pairs = zip(spans, trees, strict=True)
            active = [tree for span, tree in pairs if span[0] <= index < span[1]]
        for tree in active:
            tree.append(leaf)
        index += 1
    if index < needed:
        raise ValueError(f"the tree has {index} leaves, the proof needs {needed}")
    return [tree.root() for tree in trees]


def root_from_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that an inclusion proof leads to, None when the proof cannot be one."""
    if not 0 <= index < size:
        return None
    position, last = index, size - 1
    node = leaf_hash(leaf)
    for sibling in path:
        if last == 0:
            return None
        if position & 1 or position == last:
            node = node_hash(sibling, node)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            node = node_hash(node, sibling)
        position >>= 1
        last >>= 1
    return node if last == 0 else None


def is_consistent(
    earlier: int, earlier_root: bytes, later: int, later_root: bytes, path: Sequence[bytes]
) -> bool:
    """Whether a consistency proof shows that the tree of ``earlier`` leaves begins the later."""
    if not 0 < earlier <= later:
        return False
    if earlier == later:
        return not path and earlier_root == later_root
    nodes = list(path)
    if earlier & (earlier - 1) == 0:
        nodes.insert(0, earlier_root)
    if not nodes:
        return False
    position, last = earlier - 1, later - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old = new = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old, new = node_hash(node, old), node_hash(node, new)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            new = node_hash(new, node)
        position >>= 1
        last >>= 1
    return old == earlier_root and new == later_root and last == 0

"""The tree is RFC 6962's: against an implementation of others, and by its own laws."""

import pymerkle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.adapters.integrity.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_spans,
    inclusion_spans,
    is_consistent,
    leaf_hash,
    levels,
    root_from_inclusion,
    root_of,
    span_roots,
)

SIZES = st.integers(1, 300)


def leaves(size: int) -> list[bytes]:
    return [f"event {number}".encode() for number in range(size)]


def theirs(size: int) -> pymerkle.InmemoryTree:
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for leaf in leaves(size):
        tree.append_entry(leaf)
    return tree


OTHER = theirs(300)


def test_the_tree_without_leaves_has_the_root_the_rfc_says() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert EMPTY_ROOT.hex() == Frontier().root().hex() == empty


def test_the_published_example_tree_of_certificate_transparency_comes_out() -> None:
    """The reference tree of eight leaves in the tests of the certificate-transparency log."""
    data = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"]
    data.append("606162636465666768696a6b6c6d6e6f")
    root = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    assert root_of(map(bytes.fromhex, data)).hex() == root


@given(SIZES)
def test_the_root_is_that_of_another_implementation(size: int) -> None:
    assert root_of(leaves(size)) == OTHER.get_root(size)


@given(st.data())
def test_inclusion_proofs_are_those_of_another_implementation(data: st.DataObject) -> None:
    size = data.draw(SIZES)
    index = data.draw(st.integers(0, size - 1))
    spans = inclusion_spans(index, size)
    path = span_roots(leaves(size), spans)
    proof = OTHER.prove_inclusion(index + 1, size)
    assert proof.path == [leaf_hash(leaves(size)[index]), *path]  # theirs has the leaf in front
    assert root_from_inclusion(leaves(size)[index], index, size, path) == root_of(leaves(size))


@given(st.data())
def test_an_inclusion_proof_of_anything_else_fails(data: st.DataObject) -> None:
    size = data.draw(SIZES)
    index = data.draw(st.integers(0, size - 1))
    leaf, root = leaves(size)[index], root_of(leaves(size))
    path = span_roots(leaves(size), inclusion_spans(index, size))
    other = data.draw(st.integers(0, size - 1).filter(lambda number: number != index) | st.none())
    assert root_from_inclusion(leaf + b"!", index, size, path) != root
    if other is not None:
        assert root_from_inclusion(leaf, other, size, path) != root
    assert root_from_inclusion(leaf, index, size, [*path, root]) != root
    assert root_from_inclusion(leaf, size, size, path) is None
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        assert root_from_inclusion(leaf, index, size, path[:at] + path[at + 1 :]) != root
        path[at] = bytes([path[at][0] ^ 1]) + path[at][1:]
        assert root_from_inclusion(leaf, index, size, path) != root


@given(st.data())
def test_consistency_proofs_show_what_is_so(data: st.DataObject) -> None:
    later = data.draw(SIZES)
    earlier = data.draw(st.integers(1, later))
    path = span_roots(leaves(later), consistency_spans(earlier, later))
    old, new = root_of(leaves(earlier)), root_of(leaves(later))
    assert is_consistent(earlier, old, later, new, path)
    assert old == OTHER.get_root(earlier)
    assert new == OTHER.get_root(later)
    assert OTHER.prove_consistency(earlier, later).verify(old, new) is None


@given(st.data())
def test_a_consistency_proof_of_another_history_fails(data: st.DataObject) -> None:
    later = data.draw(st.integers(2, 200))
    earlier = data.draw(st.integers(1, later - 1))
    path = span_roots(leaves(later), consistency_spans(earlier, later))
    old, new = root_of(leaves(earlier)), root_of(leaves(later))
    changed = data.draw(st.integers(0, later - 1))
    rewritten = [leaf + b"!" * (number == changed) for number, leaf in enumerate(leaves(later))]
    spans = consistency_spans(earlier, later)
    other = root_of(rewritten)
    if changed < earlier:
        assert not is_consistent(earlier, old, later, other, span_roots(rewritten, spans))
    assert not is_consistent(earlier, old, later, other, path)
    assert not is_consistent(earlier, new, later, new, path)
    assert not is_consistent(earlier, old, later, new, path[:-1])
    assert not is_consistent(earlier, old, later, new, [*path, old])
    assert not is_consistent(later, new, earlier, old, path)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6))
def test_trees_put_together_from_subtrees_are_the_same_tree(parts: list[int]) -> None:
    whole, joined = Frontier(), Frontier()
    for part in parts:
        piece = Frontier()
        start = whole.size
        size = min(part, 1 << (max(start, 1) & -max(start, 1)).bit_length() - 1) if start else part
        for leaf in leaves(start + size)[start:]:
            whole.append(leaf)
            piece.append(leaf)
        joined.append_frontier(piece)
        assert joined == whole
        assert len(joined.nodes) == len(levels(joined.size))


def test_a_subtree_that_does_not_fit_is_refused() -> None:
    tree = Frontier()
    tree.append(b"one")
    with pytest.raises(ValueError, match="cannot begin at 1"):
        tree.append_subtree(1, bytes(32))


def test_a_proof_asks_for_the_leaves_it_needs() -> None:
    with pytest.raises(ValueError, match="the tree has 3 leaves"):
        span_roots(leaves(3), inclusion_spans(1, 5))
    with pytest.raises(ValueError):
        inclusion_spans(5, 5)
    with pytest.raises(ValueError):
        consistency_spans(0, 5)


@given(st.integers(0, 70), st.integers(0, 300))
def test_leaves_added_many_at_a_time_give_the_same_tree(before: int, more: int) -> None:
    one_by_one, at_once = Frontier(), Frontier()
    whole = leaves(before + more)
    for leaf in whole:
        one_by_one.append(leaf)
    for leaf in whole[:before]:
        at_once.append(leaf)
    at_once.extend(whole[before:])
    assert at_once == one_by_one

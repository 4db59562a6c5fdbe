"""A range of leaves and the nodes around it give the root of the whole tree, and no other's."""

from hypothesis import given
from hypothesis import strategies as st

from fillwright.adapters.handover.ranges import _root, outer_spans
from fillwright.adapters.integrity.merkle import root_of, span_roots


def leaves(size: int) -> list[bytes]:
    return [f"event {number}".encode() for number in range(size)]


@given(st.data())
def test_the_nodes_around_a_range_and_its_leaves_give_the_root(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 200))
    start = data.draw(st.integers(0, size - 1))
    end = data.draw(st.integers(start + 1, size))
    whole = leaves(size)
    spans = outer_spans(start, end, size)
    nodes = span_roots(whole, spans)
    inside = whole[start:end]
    root = root_of(whole)
    assert _root(0, size, (start, end), iter(inside), iter(nodes)) == root
    assert sum(high - low for low, high in spans) == size - (end - start)
    changed = data.draw(st.integers(0, len(inside) - 1))
    inside[changed] += b"!"
    assert _root(0, size, (start, end), iter(inside), iter(nodes)) != root

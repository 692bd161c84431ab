"""The arithmetic of the tree (默克尔树): RFC 6962 over any hash, as pure functions.

Rows hold the hashes of *complete* subtrees only, named (level, index): level 0 is a leaf, level 1 two leaves, and so on.
Every hash that a proof needs covers a range of leaves; `cover` says which rows make up the range, `fold` joins them.

>>> [cover(start, end) for start, end in inclusion_ranges(2, 7)]
[[(0, 3)], [(1, 0)], [(1, 2), (0, 6)]]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from tongban.kernel.gm import sm3

Hash = Callable[[bytes], bytes]
Place = tuple[int, int]
Range = tuple[int, int]


def leaf_hash(entry: bytes, hashing: Hash = sm3) -> bytes:
    """The hash of a leaf: H(0x00 ‖ entry). Source: RFC 6962 section 2.1."""
    return hashing(b"\x00" + entry)


def node_hash(left: bytes, right: bytes, hashing: Hash = sm3) -> bytes:
    """The hash of an inner node: H(0x01 ‖ left ‖ right)."""
    return hashing(b"\x01" + left + right)


def empty_root(hashing: Hash = sm3) -> bytes:
    """The root of a tree without leaves: H of nothing."""
    return hashing(b"")


def frontier(size: int) -> list[Place]:
    """The complete subtrees that make up a tree of `size` leaves, the largest (leftmost) first."""
    return cover(0, size)


def grow(
    size: int, edge: dict[int, bytes], leaves: Sequence[bytes], hashing: Hash = sm3
) -> Iterator[tuple[int, int, bytes]]:
    """The rows (level, index, hash) that `leaves` (leaf hashes) add to a tree of `size`.

    `edge`: the hashes of `frontier(size)` by level; it is kept up to date, so that growing can go on.
    """
    for offset, leaf in enumerate(leaves):
        level, index, found = 0, size + offset, leaf
        yield level, index, found
        while index & 1:  # a right child closes its parent
            found = node_hash(edge.pop(level), found, hashing)
            level, index = level + 1, index >> 1
            yield level, index, found
        edge[level] = found


def cover(start: int, end: int) -> list[Place]:
    """The complete subtrees that make up the leaves start … end-1; `start` is a multiple of the largest."""
    places: list[Place] = []
    while start < end:
        level = (end - start).bit_length() - 1
        places.append((level, start >> level))
        start += 1 << level
    return places


def fold(hashes: Sequence[bytes], hashing: Hash = sm3) -> bytes:
    """The hash of a range from the hashes of its `cover`."""
    if not hashes:
        return empty_root(hashing)
    found = hashes[-1]
    for left in reversed(hashes[:-1]):
        found = node_hash(left, found, hashing)
    return found


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """The ranges of leaves whose hashes prove that leaf `index` is in the tree of `size`: PATH(m, D[n])."""
    if not 0 <= index < size:
        raise ValueError("the leaf is not in a tree of that size")
    ranges: list[Range] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def consistency_ranges(first: int, second: int) -> list[Range]:
    """The ranges whose hashes prove that the tree of `second` continues the tree of `first`: PROOF(m, D[n])."""
    if not 0 < first <= second:
        raise ValueError("a consistency proof goes from a non-empty tree to one at least as large")
    ranges: list[Range] = []
    start, end, whole = 0, second, True
    while first != end:
        middle = start + _split(end - start)
        if first <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start, whole = middle, False
    if not whole:
        ranges.append((start, end))
    return ranges[::-1]


def _split(width: int) -> int:
    """The largest power of two smaller than `width`."""
    return 1 << ((width - 1).bit_length() - 1)


def root_from_inclusion(
    index: int, size: int, leaf: bytes, proof: Sequence[bytes], hashing: Hash = sm3
) -> bytes | None:
    """The root that the proof leads to, or None if the proof cannot be one. Source: RFC 9162 section 2.1.3.2."""
    if not 0 <= index < size:
        return None
    place, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return None
        if place & 1 or place == last:
            found = node_hash(sibling, found, hashing)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, sibling, hashing)
        place, last = place >> 1, last >> 1
    return found if last == 0 else None


def included(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes, hashing: Hash = sm3) -> bool:
    """Whether the proof shows the leaf (its hash) at `index` under `root` (包含证明)."""
    return root_from_inclusion(index, size, leaf, proof, hashing) == root


def consistent(
    first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes], hashing: Hash = sm3
) -> bool:
    """Whether the proof shows that nothing of the first tree was changed in the second (一致性证明).

    Source: RFC 9162 section 2.1.4.2. An empty first tree is continued by every tree, without a proof.
    """
    if first == second:
        return first_root == second_root and not proof
    if not 0 <= first < second:
        return False
    if first == 0:
        return first_root == empty_root(hashing) and not proof
    path = list(proof)
    if first & (first - 1) == 0:
        path.insert(0, first_root)
    if not path:
        return False
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = node_hash(sibling, old, hashing), node_hash(sibling, new, hashing)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, sibling, hashing)
        place, last = place >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root

"""The reference vectors of Certificate Transparency (RFC 6962), and every proof of every tree up to 70 leaves."""

import hashlib

import pytest

from tongban.kernel.gm import sm3
from tongban.transparency import rules

LEAVES = [bytes.fromhex(one) for one in
          ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {  # (leaf from 0, size): siblings upwards
    (0, 8): ["96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
             "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
             "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"],
    (5, 8): ["bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
             "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
             "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
}  # fmt: skip
CONSISTENCY = {
    (1, 8): INCLUSION[0, 8],
    (6, 8): ["0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a", *INCLUSION[5, 8][1:]],
    (2, 5): ["5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e", INCLUSION[5, 8][0]],
}


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


class Tree:
    """The rows of a tree in a dictionary, as the database holds them."""

    def __init__(self, leaves, hashing):
        self.hashing, self.size = hashing, 0
        self.rows, self.edge = {}, {}
        for leaf in leaves:
            for level, index, found in rules.grow(self.size, self.edge, [rules.leaf_hash(leaf, hashing)], hashing):
                self.rows[level, index] = found
            self.size += 1

    def hash(self, start, end):
        return rules.fold([self.rows[place] for place in rules.cover(start, end)], self.hashing)


def by_definition(leaves, hashing):
    """MTH of RFC 6962 section 2.1, word for word."""
    if not leaves:
        return hashing(b"")
    if len(leaves) == 1:
        return hashing(b"\x00" + leaves[0])
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashing(b"\x01" + by_definition(leaves[:k], hashing) + by_definition(leaves[k:], hashing))


def test_roots():
    for size in range(1, 9):
        assert Tree(LEAVES[:size], sha256).hash(0, size).hex() == ROOTS[size - 1]
    assert rules.empty_root(sha256).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("place", INCLUSION)
def test_inclusion_proofs(place):
    tree = Tree(LEAVES, sha256)
    proof = [tree.hash(*one) for one in rules.inclusion_ranges(*place)]
    assert [one.hex() for one in proof] == INCLUSION[place]


@pytest.mark.parametrize("sizes", CONSISTENCY)
def test_consistency_proofs(sizes):
    tree = Tree(LEAVES, sha256)
    assert [tree.hash(*one).hex() for one in rules.consistency_ranges(*sizes)] == CONSISTENCY[sizes]


def test_every_proof_of_every_small_tree():
    leaves = [b"leaf %d" % number for number in range(70)]
    tree = Tree(leaves, sm3)
    roots = [by_definition(leaves[:size], sm3) for size in range(71)]
    other = sm3(b"other")
    for size in range(1, 71):
        assert tree.hash(0, size) == roots[size]
        for index in range(size):
            proof = [tree.hash(*one) for one in rules.inclusion_ranges(index, size)]
            leaf = rules.leaf_hash(leaves[index])
            assert rules.included(index, size, leaf, proof, roots[size])
            assert not rules.included(index, size, other, proof, roots[size])
            assert not rules.included(index, size, leaf, [*proof, other], roots[size])
            assert not proof or not rules.included(index, size, leaf, proof[:-1], roots[size])
            assert size == 1 or not rules.included((index + 1) % size, size, leaf, proof, roots[size])
        for first in range(1, size + 1):
            proof = [tree.hash(*one) for one in rules.consistency_ranges(first, size)] if first < size else []
            assert rules.consistent(first, size, roots[first], roots[size], proof)
            assert not rules.consistent(first, size, other, roots[size], proof)
            assert not rules.consistent(first, size, roots[first], other, proof)
            assert not rules.consistent(first, size, roots[first], roots[size], [*proof, other])
            for place in range(len(proof)):
                assert not rules.consistent(
                    first, size, roots[first], roots[size], [*proof[:place], other, *proof[place + 1 :]]
                )

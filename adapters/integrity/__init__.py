"""The log as evidence: Merkle tree, signed checkpoints, anchors outside the store, proofs.

How it fits together and what it does and does not prove is in ``docs/evidence.md``.
"""

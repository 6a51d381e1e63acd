"""The two session machines of PXP1, each a transition table (crypto/SPEC.md)."""

"""PXP1 as a sans-IO core: bytes, clock readings and randomness in; bytes and events out."""

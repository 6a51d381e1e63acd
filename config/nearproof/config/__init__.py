"""Frozen settings of this laptop; only the daemon room reads them."""

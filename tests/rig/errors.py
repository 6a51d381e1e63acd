"""What can go wrong with the rig, said so that a person can mend it."""

from __future__ import annotations


class RigError(Exception):
    """The rig cannot be built or started, or a laptop failed; the text says what to do."""


class GuestError(RigError):
    """A command in a laptop could not be started, or ended with another exit code than 0."""

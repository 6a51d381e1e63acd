"""What a backend's operator may have to mend; light to import, because the outcomes name it."""

from __future__ import annotations


class SchemaUnknown(Exception):
    """The database was made by another version of this program; nothing was changed."""

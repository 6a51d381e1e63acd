"""Turns what the codecs and the primitives raise into the refusal code of a verifier's step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nearproof.crypto.errors import (
    EncodingError,
    HeadersRefused,
    KeyRefused,
    RefusalCode,
    SealBroken,
    VerificationError,
)


@contextmanager
def refused_at(
    step: int,
    *,
    shape: RefusalCode = RefusalCode.ENCODING,
    key: RefusalCode = RefusalCode.ENCODING,
    signature: RefusalCode = RefusalCode.ENCODING,
) -> Iterator[None]:
    """Within it, an error of shape, key or signature becomes this step's `VerificationError`."""
    try:
        yield
    except HeadersRefused as error:
        raise VerificationError(step, RefusalCode.HEADERS, str(error)) from None
    except EncodingError as error:
        raise VerificationError(step, shape, str(error)) from None
    except KeyRefused as error:
        raise VerificationError(step, key, str(error)) from None
    except SealBroken as error:
        raise VerificationError(step, signature, str(error)) from None

"""Whether a run is an address, in whole: spaCy's rule for URLs, e-mail addresses and host names, compiled.

An optional scheme, an optional user before ``@``, a host (names and a lower-case top-level domain, or four octets that
are no private network), an optional port, an optional path. The rule is the regular expression of spaCy's
``tokenizer_exceptions.py`` (after Diego Perini's), read by hand because it is asked of every run with a full stop.
"""

from __future__ import annotations

import numba
import numpy as np

from dataset_platform.kernels.web import characters as ch

_MAX_LABEL = 64  # of a host name: one more than DNS has, as in the published rule
_MAX_TOP_LEVEL = 63
_STOP, _SLASH, _COLON, _AT = 46, 47, 58, 64


@numba.njit(cache=True, inline="always")
def _in_host(code):  # type: ignore[no-untyped-def]
    return 48 <= code <= 57 or 65 <= code <= 90 or 97 <= code <= 122 or 0xA1 <= code <= 0xFFFF


@numba.njit(cache=True)
def _ends_address(codes, classes, at, b):  # type: ignore[no-untyped-def]
    """Whether a port, a path or nothing follows the host."""
    if at < b and codes[at] == _COLON:
        start = at + 1
        at = start
        while at < b and classes[codes[at]] & ch.DECIMAL:
            at += 1
        if at - start < 2 or at - start > 5:
            return False
    return at == b or codes[at] == _SLASH or codes[at] == 63 or codes[at] == 35


@numba.njit(cache=True)
def _is_octet(codes, a, b, middle, most):  # type: ignore[no-untyped-def]
    """Whether the decimal digits a..b are a number of at most ``most``; only middle octets may begin with 0."""
    if b <= a:
        return False
    first = codes[a]
    if b - a < 3:
        return middle or 49 <= first <= 57
    if b - a > 3 or not (first == 49 or first == 50):
        return False
    # where any digit may stand, one of another script may too
    second, third = np.int64(codes[a + 1]) - 48, np.int64(codes[a + 2]) - 48
    tens = most // 10 - 20
    return first == 49 or 0 <= second < tens or (second == tens and 0 <= third <= most % 10)


@numba.njit(cache=True)
def _is_private(codes, at):  # type: ignore[no-untyped-def]
    """Whether an address of four octets begins as the private and local networks do."""
    if codes[at] != 49:
        return False
    second, third = codes[at + 1], codes[at + 2]
    if second == 48 and third == _STOP:  # 10.
        return True
    if codes[at + 3] != _STOP:
        return False
    if second == 50 and third == 55:  # 127.
        return True
    x, y, z, end = codes[at + 4], codes[at + 5], codes[at + 6], codes[at + 7]
    if second == 54 and third == 57:  # 169.254.
        return x == 50 and y == 53 and z == 52 and end == _STOP
    if second == 57 and third == 50:  # 192.168.
        return x == 49 and y == 54 and z == 56 and end == _STOP
    if second == 55 and third == 50 and z == _STOP:  # 172.16. to 172.31.
        return (x == 49 and 54 <= y <= 57) or x == 50 or (x == 51 and 48 <= y <= 49)
    return False


@numba.njit(cache=True)
def _is_number_host(codes, classes, start, b):  # type: ignore[no-untyped-def]
    at = start
    for k in range(4):
        end = at
        while end < b and classes[codes[end]] & ch.DECIMAL:
            end += 1
        if not _is_octet(codes, at, end, 0 < k < 3, 223 if k == 0 else 254 if k == 3 else 255):
            return False
        at = end
        if k < 3:
            if at >= b or codes[at] != _STOP:
                return False
            at += 1
    return not _is_private(codes, start) and _ends_address(codes, classes, at, b)


@numba.njit(cache=True)
def _is_named_host(codes, classes, start, b):  # type: ignore[no-untyped-def]
    at = start
    while True:
        end = at
        while end < b and (_in_host(codes[end]) or codes[end] == 95 or codes[end] == 45):
            end += 1
        fits = 0 < end - at <= _MAX_LABEL and end < b and codes[end] == _STOP
        if not fits or not _in_host(codes[at]) or not _in_host(codes[end - 1]):
            return False
        at = end + 1
        end = at
        while end < b and classes[codes[end]] & ch.LOWER:
            end += 1
        if 2 <= end - at <= _MAX_TOP_LEVEL and _ends_address(codes, classes, end, b):
            return True


@numba.njit(cache=True)
def is_address(codes, classes, a, b):  # type: ignore[no-untyped-def]
    """Whether a run is a URL, an e-mail address or a bare host name, in whole."""
    stops = False
    for i in range(a, b):
        stops |= codes[i] == _STOP
    if not stops:
        return False
    start = a
    while start < b and (classes[codes[start]] & ch.WORD or codes[start] in (43, 45, _STOP)):
        start += 1
    scheme = start - a >= 2 and start + 2 < b
    scheme = scheme and codes[start] == _COLON and codes[start + 1] == _SLASH and codes[start + 2] == _SLASH
    if _is_host(codes, classes, a, b) or (scheme and _is_host(codes, classes, start + 3, b)):
        return True
    found = False
    for i in range(a + 1, b):
        if codes[i] == _AT and not found:
            found = _is_host(codes, classes, i + 1, b)
    return found


@numba.njit(cache=True)
def _is_host(codes, classes, start, b):  # type: ignore[no-untyped-def]
    return start < b and (_is_number_host(codes, classes, start, b) or _is_named_host(codes, classes, start, b))

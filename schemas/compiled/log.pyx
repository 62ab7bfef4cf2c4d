# cython: language_level=3
# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Records of a batch of Kafka's log, message format 2 (Kafka protocol guide, "Record").

Its definition is the client: what is not certain here is left to that. Nothing is read outside the
buffer given, and nothing written but what the caller gave room for.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint64_t

cdef enum:
    LONGEST_NUMBER = 10  # bytes: seven bits each


def unpack(
    const uint8_t[::1] data not None,
    int64_t[::1] offsets not None,
    int64_t[::1] times_ms not None,
    list keys not None,
    list values not None,
):
    """Take the records of a batch apart.

    Args:
        data: all records of the batch, as they are once unpacked.
        offsets: of each record, to be set: how far its offset is beyond the batch's first.
        times_ms: of each record, to be set: how far its time is beyond the batch's first.
        keys: the key of each is appended, None where there is none.
        values: the same of values.

    Returns:
        Whether ``data`` is exactly as many records as there is room for, and certain. If not, what
        was set and appended means nothing.

    """
    cdef Py_ssize_t row, count = offsets.shape[0]
    cdef int64_t size, ignored, headers
    if times_ms.shape[0] != count or data.shape[0] == 0:
        return False
    cdef const uint8_t* at = &data[0]
    cdef const uint8_t* end = at + data.shape[0]
    cdef const uint8_t* last
    for row in range(count):
        at = _number(at, end, &size)
        if at == NULL or size < 0 or size > end - at:
            return False
        last = at + size
        at = _number(at, last, &ignored)  # attributes: none are in use
        at = _number(at, last, &times_ms[row])
        at = _number(at, last, &offsets[row])
        at = _append(at, last, keys)
        at = _append(at, last, values)
        at = _number(at, last, &headers)
        if at == NULL or headers < 0:
            return False
        while headers:
            at = _past_header(at, last)
            if at == NULL:
                return False
            headers -= 1
        if at != last:
            return False
    return at == end


cdef inline const uint8_t* _number(
    const uint8_t* at, const uint8_t* end, int64_t* number
) noexcept nogil:
    """The place after a number in zigzag encoding; NULL if it is cut off, or ``at`` is NULL."""
    cdef uint64_t found = 0
    cdef int place = 0
    if at == NULL:
        return NULL
    while at < end and place < LONGEST_NUMBER:
        found |= <uint64_t>(at[0] & 0x7F) << (7 * place)
        if at[0] < 0x80:
            number[0] = <int64_t>(found >> 1) ^ -<int64_t>(found & 1)
            return at + 1
        at, place = at + 1, place + 1
    return NULL


cdef inline const uint8_t* _append(const uint8_t* at, const uint8_t* end, list texts):
    """The place after bytes with their size before them, which are appended; NULL: not certain."""
    cdef int64_t size
    at = _number(at, end, &size)
    if at == NULL or size > end - at:
        return NULL
    if size < 0:
        texts.append(None)
        return at
    texts.append(PyBytes_FromStringAndSize(<const char*>at, size))
    return at + size


cdef const uint8_t* _past_header(const uint8_t* at, const uint8_t* end):
    """The place after a header: the client reads its name as UTF-8, its value as bytes or none."""
    cdef int64_t size
    at = _number(at, end, &size)
    if at == NULL or size < 0 or size > end - at:
        return NULL
    try:
        PyBytes_FromStringAndSize(<const char*>at, size).decode()
    except UnicodeDecodeError:
        return NULL
    at = _number(at + size, end, &size)
    if at == NULL or size > end - at:
        return NULL
    return at + size if size > 0 else at

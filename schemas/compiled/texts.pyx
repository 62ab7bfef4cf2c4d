# cython: language_level=3
# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""What is done for every byte of the fast path: JSON, instants, hashes of texts.

Each step has a definition in Python, and does what that does wherever it is sure of it:

| here         | its definition                                            |
|--------------|-----------------------------------------------------------|
| `Reader`     | `mailsla.schemas.codec.records.decode_event`              |
| `instants`   | `mailsla.schemas.codec.identifiers.parse_instant`         |
| `hash_texts` | `mailsla.streams.latency.keyhash.hash_texts`, in columns  |

Nothing is read or written outside the buffers given or made here: every step forward is compared
with the end, every size with the room there is.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t, uintptr_t
from libc.string cimport memcmp, memcpy, memset

import pyarrow as pa

cdef enum:
    MOST_FIELDS = 64
    MOST_DIGITS = 18  # a whole number of so many is within 64 bits
    MOST_BYTES = 0x7FFFFFFF  # of a column of texts: their offsets have 32 bits

cdef extern from *:
    """
    #define EACH 0x0101010101010101ULL
    #define HIGH 0x8080808080808080ULL
    """
    const uint64_t EACH  # a number times this has it in each of eight bytes
    const uint64_t HIGH  # the highest bit of each

cdef int64_t END_S = 7_258_118_400  # 2200-01-01T00:00:00Z


cdef enum Kind:
    ABSENT
    TEXT
    WHOLE


cdef struct Name:
    const uint8_t* text
    Py_ssize_t size
    Kind kind


cdef struct Value:
    Kind kind
    const uint8_t* begin
    int32_t size


cdef class Column:
    """One field of all records that were read, as it grows."""

    cdef:
        Kind kind
        object _offsets, _data, _valid
        int32_t* offsets
        int64_t* numbers
        uint8_t* data
        uint8_t* valid
        Py_ssize_t filled, room, nulls

    def __cinit__(self, Kind kind, Py_ssize_t rows):
        self.kind, self.filled, self.nulls = kind, 0, 0
        self._valid = pa.allocate_buffer((rows + 7) // 8)
        self.valid = <uint8_t*><uintptr_t>self._valid.address
        memset(self.valid, 0, (rows + 7) // 8)
        if kind == TEXT:
            self._offsets = pa.allocate_buffer(sizeof(int32_t) * (rows + 1))
            self.offsets = <int32_t*><uintptr_t>self._offsets.address
            self.offsets[0] = 0
            self._data = pa.allocate_buffer(0, resizable=True)
            self._make_room(16 * rows + 64)
        else:
            self._data = pa.allocate_buffer(sizeof(int64_t) * rows)
            self.numbers = <int64_t*><uintptr_t>self._data.address

    cdef int _make_room(self, Py_ssize_t room) except -1:
        self._data.resize(room)
        self.data, self.room = <uint8_t*><uintptr_t>self._data.address, room
        return 0

    cdef inline int add(self, Py_ssize_t row, const Value* value) except -1:
        """Set the next row; ``value`` has the kind of the column, or is absent."""
        cdef Py_ssize_t end
        if value.kind == ABSENT:
            self.nulls += 1
        else:
            self.valid[row >> 3] |= <uint8_t>(1 << (row & 7))
        if self.kind == WHOLE:
            self.numbers[row] = _number(value) if value.kind == WHOLE else 0
            return 0
        if value.kind == TEXT:
            end = self.filled + value.size
            if end > self.room:
                if end > MOST_BYTES:
                    raise OverflowError("the texts of a column exceed 2 GiB; read fewer records")
                self._make_room(2 * end)
            memcpy(self.data + self.filled, value.begin, value.size)
            self.filled = end
        self.offsets[row + 1] = <int32_t>self.filled
        return 0

    cdef object array(self, Py_ssize_t rows):
        """The first rows as an Arrow array."""
        valid = self._valid if self.nulls else None
        if self.kind == WHOLE:
            return pa.Array.from_buffers(pa.int64(), rows, [valid, self._data], self.nulls)
        texts = self._data.slice(0, self.filled)
        return pa.Array.from_buffers(pa.string(), rows, [valid, self._offsets, texts], self.nulls)


cdef class Reader:
    """Reads flat JSON objects into columns.

    Args:
        names: those of the fields, 64 at most.
        whole: of each whether it holds whole numbers; the others hold texts.

    """

    cdef:
        Name names[MOST_FIELDS]
        int following[MOST_FIELDS + 1]
        int count
        object _kept

    def __cinit__(self, names, whole):
        if len(names) > MOST_FIELDS:
            raise ValueError("there are too many fields; raise MOST_FIELDS")
        self._kept, self.count = list(names), len(names)
        for place, (name, is_whole) in enumerate(zip(self._kept, whole, strict=True)):
            if not PyBytes_CheckExact(name):
                raise TypeError("a name of a field must be bytes")
            self.names[place].text = <const uint8_t*>PyBytes_AS_STRING(name)
            self.names[place].size = PyBytes_GET_SIZE(name)
            self.names[place].kind = WHOLE if is_whole else TEXT
        memset(self.following, 0, sizeof(self.following))

    def read(self, list values not None, Py_ssize_t longest):
        """Read those records that can be read for certain.

        Certain are flat objects in UTF-8 without escapes, in which each field stands once, as a
        text, as digits or as null, and any other member is one of these too.

        Args:
            values: the records' bytes; what is not bytes is passed over.
            longest: records of more bytes are passed over.

        Returns:
            The columns as Arrow arrays, and of each of their rows its place in ``values``, a buffer
            of 64-bit numbers.

        """
        cdef Py_ssize_t count = len(values), row = 0, place, size
        cdef Value found[MOST_FIELDS]
        cdef void* columns[MOST_FIELDS]
        cdef const uint8_t* text
        cdef bint has_high
        cdef int field
        made = [Column(self.names[field].kind, count) for field in range(self.count)]
        for field in range(self.count):
            columns[field] = <void*>made[field]
        places = pa.allocate_buffer(sizeof(int64_t) * count)
        cdef int64_t* at = <int64_t*><uintptr_t>places.address
        for place in range(count):
            value = values[place]
            if not PyBytes_CheckExact(value):
                continue
            size = PyBytes_GET_SIZE(value)
            if size > longest:
                continue
            text, has_high = <const uint8_t*>PyBytes_AS_STRING(value), False
            if not self._record(text, text + size, found, &has_high):
                continue
            if has_high and not _is_utf8(value):
                continue
            for field in range(self.count):
                (<Column>columns[field]).add(row, &found[field])
            at[row] = place
            row += 1
        arrays = [(<Column>column).array(row) for column in made]
        return arrays, places.slice(0, sizeof(int64_t) * row)

    cdef bint _record(
        self, const uint8_t* at, const uint8_t* end, Value* found, bint* has_high
    ) noexcept nogil:
        """Whether a record can be read for certain; its fields, which point into it."""
        cdef const uint8_t* key
        cdef const uint8_t* last
        cdef int field, before = self.count
        for field in range(self.count):
            found[field].kind = ABSENT
        if at == end or at[0] != c"{":
            return False
        at = _past_space(at + 1, end)
        while at < end and at[0] == c'"':
            key = at + 1
            last = _closing(key, end, has_high)
            if last == NULL:
                return False
            field = self._field(key, last - key, before)
            before = field if field >= 0 else before
            at = _past_space(last + 1, end)
            if at == end or at[0] != c":":
                return False
            at = self._value(_past_space(at + 1, end), end, field, found, has_high)
            if at == NULL:
                return False
            at = _past_space(at, end)
            if at == end:
                return False
            if at[0] == c"}":
                return _past_space(at + 1, end) == end
            if at[0] != c",":
                return False
            at = _past_space(at + 1, end)
        return False

    cdef inline int _field(self, const uint8_t* key, Py_ssize_t size, int before) noexcept nogil:
        """The number of a field, -1 of one that nobody asks for; most follow as they last did."""
        cdef int field = self.following[before]
        if self._is(field, key, size):
            return field
        for field in range(self.count):
            if self._is(field, key, size):
                self.following[before] = field
                return field
        return -1

    cdef inline bint _is(self, int field, const uint8_t* key, Py_ssize_t size) noexcept nogil:
        return self.names[field].size == size and memcmp(self.names[field].text, key, size) == 0

    cdef inline const uint8_t* _value(
        self, const uint8_t* at, const uint8_t* end, int field, Value* found, bint* has_high
    ) noexcept nogil:
        """The place after a value, which is noted if a field holds it; NULL if not certain."""
        cdef const uint8_t* begin = at
        cdef const uint8_t* after
        cdef Kind kind = ABSENT
        if at == end:
            return NULL
        if at[0] == c'"':
            kind, begin = TEXT, at + 1
            at = _closing(begin, end, has_high)
            if at == NULL:
                return NULL
            after = at + 1
        elif _is_digit(at[0]):
            kind = WHOLE
            while at < end and _is_digit(at[0]):
                at += 1
            if at - begin > MOST_DIGITS or (begin[0] == c"0" and at - begin > 1):
                return NULL
            after = at
        elif end - at >= 4 and memcmp(at, b"null", 4) == 0:
            after = at + 4
        else:
            return NULL
        if field >= 0:
            if found[field].kind != ABSENT or (kind != ABSENT and kind != self.names[field].kind):
                return NULL
            found[field].kind, found[field].begin = kind, begin
            found[field].size = <int32_t>(at - begin)
        return after


cdef inline const uint8_t* _past_space(const uint8_t* at, const uint8_t* end) noexcept nogil:
    while at < end and (at[0] == 32 or at[0] == 10 or at[0] == 13 or at[0] == 9):
        at += 1
    return at


cdef inline const uint8_t* _closing(
    const uint8_t* at, const uint8_t* end, bint* has_high
) noexcept nogil:
    """The quote that ends a string; NULL if it has escapes, control characters or no end."""
    cdef uint64_t word, quotes, escapes
    # 1. Eight bytes at a time while none of them is a quote, a backslash or below a space: of a
    #    byte that is zero after the exclusive or, and of one below, taking away borrows.
    while end - at >= 8:
        memcpy(&word, at, 8)
        quotes, escapes = word ^ (EACH * c'"'), word ^ (EACH * c"\\")
        if HIGH & (
            ((quotes - EACH) & ~quotes) | ((escapes - EACH) & ~escapes) | ((word - EACH * 32) & ~word)
        ):
            break
        has_high[0] |= (word & HIGH) != 0
        at += 8
    # 2. One by one.
    while at < end:
        if at[0] == c'"':
            return at
        if at[0] < 32 or at[0] == c"\\":
            return NULL
        has_high[0] |= at[0] >= 128
        at += 1
    return NULL


cdef inline bint _is_digit(uint8_t letter) noexcept nogil:
    return c"0" <= letter <= c"9"


cdef inline int64_t _number(const Value* value) noexcept nogil:
    cdef int64_t number = 0
    cdef int32_t at
    for at in range(value.size):
        number = 10 * number + (value.begin[at] - c"0")
    return number


cdef bint _is_utf8(bytes value):
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def hash_texts(
    const int32_t[::1] offsets,
    const uint8_t[::1] data,
    uint64_t salt,
    const uint64_t[::1] weights,
    uint64_t[::1] hashes,
):
    """Hash texts.

    Args:
        offsets: where each text begins in ``data``; the last one says where they end.
        data: the texts in UTF-8.
        salt: tells columns apart.
        weights: those of the words of a text, eight bytes each, by their place.
        hashes: of each text, to be set.

    Raises:
        ValueError: a text is not within ``data``, or longer than there are weights for.

    """
    cdef Py_ssize_t row, at, end, place, most = weights.shape[0]
    cdef uint64_t word, found
    if offsets.shape[0] != hashes.shape[0] + 1:
        raise ValueError("offsets must have one entry more than hashes")
    for row in range(hashes.shape[0]):
        at, end = offsets[row], offsets[row + 1]
        if at < 0 or end < at or end > data.shape[0] or (end - at + 7) // 8 > most:
            raise ValueError("a text is not within its buffer, or too long")
        found, place = <uint64_t>(end - at) + salt, 0
        while at < end:
            word = 0
            memcpy(&word, &data[at], min(8, end - at))
            found += _mixed(word ^ weights[place])
            place, at = place + 1, at + 8
        hashes[row] = _mixed(found)


cdef inline uint64_t _mixed(uint64_t value) noexcept nogil:
    """The finalizer of splitmix64 (Steele, Lea, Flood 2014)."""
    value += 0x9E3779B97F4A7C15ULL
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ULL
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBULL
    return value ^ (value >> 31)


def instants(const int32_t[::1] offsets, const uint8_t[::1] data, int64_t[::1] found_us):
    """Read times such as ``2026-10-01T08:00:00.5+08:00``.

    Args:
        offsets: where each text begins in ``data``; the last one says where they end.
        data: the texts.
        found_us: of each the time in µs since 1970, to be set; -1 where it is written otherwise,
            or no time from 1970 to 2200, so that the definition decides.

    Raises:
        ValueError: a text is not within ``data``.

    """
    cdef Py_ssize_t row, at, end
    if offsets.shape[0] != found_us.shape[0] + 1:
        raise ValueError("offsets must have one entry more than found_us")
    for row in range(found_us.shape[0]):
        at, end = offsets[row], offsets[row + 1]
        if at < 0 or end < at or end > data.shape[0]:
            raise ValueError("a text is not within its buffer")
        found_us[row] = _instant(&data[at], end - at) if end - at >= 20 else -1


cdef int64_t _instant(const uint8_t* at, Py_ssize_t size) noexcept nogil:
    """The µs since 1970 that a text of at least 20 bytes stands for; -1 if not certain."""
    cdef const uint8_t* end = at + size
    cdef int year = 100 * _two(at) + _two(at + 2), month = _two(at + 5), day = _two(at + 8)
    cdef int hour = _two(at + 11), minute = _two(at + 14), second = _two(at + 17)
    cdef int digits = 0, east_h, east_min
    cdef int64_t seconds, us = 0
    # 1. The date and the time of day.
    if at[4] != c"-" or at[7] != c"-" or at[10] != c"T" or at[13] != c":" or at[16] != c":":
        return -1
    if not (1970 <= year < 2200 and 1 <= month <= 12 and 1 <= day <= _days_of(year, month)):
        return -1
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
        return -1
    seconds = 86_400 * _day_number(year, month, day) + 3_600 * hour + 60 * minute + second
    # 2. Up to six decimals.
    at += 19
    if at[0] == c".":
        at += 1
        while at < end and digits < 6 and _is_digit(at[0]):
            us = 10 * us + (at[0] - c"0")
            digits, at = digits + 1, at + 1
        if digits == 0:
            return -1
        while digits < 6:
            us, digits = 10 * us, digits + 1
    # 3. The offset; the bounds hold of the time in UTC.
    if end - at == 6 and at[3] == c":" and (at[0] == c"+" or at[0] == c"-"):
        east_h, east_min = _two(at + 1), _two(at + 4)
        if not (0 <= east_h < 24 and 0 <= east_min < 60):
            return -1
        east_min = 60 * (60 * east_h + east_min)
        seconds += east_min if at[0] == c"-" else -east_min
    elif end - at != 1 or at[0] != c"Z":
        return -1
    return 1_000_000 * seconds + us if 0 <= seconds < END_S else -1


cdef inline int _two(const uint8_t* at) noexcept nogil:
    """The number that two digits stand for; less than any that is right if they are none."""
    if not (_is_digit(at[0]) and _is_digit(at[1])):
        return -1_000_000
    return 10 * (at[0] - c"0") + (at[1] - c"0")


cdef inline int _days_of(int year, int month) noexcept nogil:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31


cdef inline int64_t _day_number(int year, int month, int day) noexcept nogil:
    """Days since 1970-01-01; years are counted from March, so that a leap day ends one."""
    if month <= 2:
        year, month = year - 1, month + 12
    return (
        365 * year + year // 4 - year // 100 + year // 400
        + (153 * (month - 3) + 2) // 5 + day - 719_469
    )

"""Errors that are the user's to mend: one sentence saying what was wrong, where, and what to do."""

from __future__ import annotations

# What libraries say when a size is beyond this machine's memory, or beyond what they can count to.
BEYOND_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "Storage size calculation overflowed",
    "integer multiplication overflow",
    "invalid buffer size",
    "array is too big",
    "Maximum allowed dimension exceeded",
)
TOO_LARGE = (
    "more memory is needed than there is: take smaller sizes (widths, batch_size, context, buffer, beams, examples)"
)


LONGEST = 1500  # characters of a message


class UserError(Exception):
    """Something outside the code is wrong: parameters, data, network, disk. Shown as one line, exit code 2.

    What libraries say of an error has several lines at times; here they become one. Of one that quotes a long value
    beginning and end are left: what is wrong, and what to do.
    """

    def __init__(self, message: str) -> None:
        line = " ".join(part.strip() for part in message.splitlines() if part.strip())
        super().__init__(line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 :]}")


def of_system(error: OSError) -> UserError:
    """What the system refused about a file, as a line; where it names none, the error passes as it is."""
    if error.filename is None or error.strerror is None:
        raise error
    return UserError(f"{error.filename}: {error.strerror}; see to it and run again")


def is_beyond_memory(error: Exception) -> bool:
    """Whether an error of a library says that more memory is needed than there is."""
    return isinstance(error, MemoryError) or any(words.lower() in str(error).lower() for words in BEYOND_MEMORY)

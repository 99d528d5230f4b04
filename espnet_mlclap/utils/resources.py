"""What the machine has run out of, as against what is wrong with a file."""

import errno

_SHORTAGES = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EROFS,
)  # fmt: skip


def is_shortage(error: BaseException) -> bool:
    """Whether the machine, not the file that was worked on, is to blame for `error`."""
    return isinstance(error, MemoryError) or (
        isinstance(error, OSError) and error.errno in _SHORTAGES
    )

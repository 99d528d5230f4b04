"""What the server allows."""

from dataclasses import dataclass
from typing import Optional, Tuple


@dataclass(frozen=True)
class Settings:
    """Limits and rights.

    Attributes:
        token: that every client must give; None: none is needed.
        hosts: names by which the server may be addressed, against pages that pretend to be this machine.
        queries_per_minute: of one client, on average.
        burst: queries that a client may send at once.
        max_upload_mb: of a sound that is looked for.
        max_top: hits of one answer.
        max_rank: hits that can be paged through.
        max_words: characters of a query.
    """

    token: Optional[str] = None
    hosts: Tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    queries_per_minute: float = 120.0
    burst: int = 30
    max_upload_mb: float = 50.0
    max_top: int = 100
    max_rank: int = 1000
    max_words: int = 1000

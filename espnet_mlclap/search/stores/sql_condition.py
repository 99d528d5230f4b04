"""Which recordings a question is about, in SQL."""

import json
from typing import List, Tuple

from espnet_mlclap.search.database import below
from espnet_mlclap.search.stores.abs_store import Where


def sql_condition(where: Where) -> Tuple[str, list]:
    """` WHERE ...` with its values; empty if nothing is left out."""
    parts: List[str] = []
    values: list = []
    if where.folder is not None:
        parts.append("path >= ? AND path < ?")
        values += below(where.folder)
    for condition, value in (
        ("changed >= ?", where.changed_after),
        ("changed < ?", where.changed_before),
        ("duration >= ?", where.min_duration),
        ("duration <= ?", where.max_duration),
    ):
        if value is not None:
            parts.append(condition)
            values.append(value)
    for tag in where.tags:
        parts.append("recordings.id IN (SELECT recording FROM tags WHERE tag = ?)")
        values.append(tag)
    if where.recordings is not None:
        parts.append("recordings.id IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(list(where.recordings)))
    return (" WHERE " + " AND ".join(parts) if parts else ""), values

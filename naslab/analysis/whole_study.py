"""WholeStudy: the counts of a study of which a part was read."""

from __future__ import annotations

import msgspec


class WholeStudy(msgspec.Struct, frozen=True, kw_only=True):
    """What a study has of which a part was read: `num_outcomes` of its search, and how many `failed`, by reason.

    `num_compared` of `num_networks` are compared by the front, `num_lower` stayed at a lower fidelity;
    `num_unmeasured` complete outcomes lack an objective. Of these counts all but `num_outcomes`, `failed` and
    `num_networks` are within the `limits` that the front was read for.
    `places` are those of the outcomes that were read in the order of finishing, from 1, `search_seconds` the time
    searching until each.
    """

    num_outcomes: int
    failed: dict[str, int]
    num_compared: int
    num_networks: int
    num_lower: int
    num_unmeasured: int
    places: tuple[int, ...]
    search_seconds: tuple[float, ...]
    limits: tuple[str, ...] = ()

"""Hugging Face's hub, which is asked once whether it can be reached, and not for a minute."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

REACHED_WITHIN = 5.0
"""Seconds in which the hub answers where there is a network."""
OUT_OF_REACH = "the hub cannot be reached from here, and no copy is in the cache"


@contextmanager
def hub_or_cache(*configurations: Any, is_needed: bool = True) -> Iterator[bool]:
    """Without a network the hub's packages look into their cache alone inside the block, and do not ask for a minute.

    Gives whether there is one, or none `is_needed`. `configurations` are those of packages beside huggingface_hub that
    have a switch of their own for it. What is logged of attempts is left out.
    """
    try:
        from huggingface_hub import constants, get_session
    except ImportError:  # then nothing asks a network
        yield True
        return
    log = logging.getLogger("huggingface_hub")
    level = log.level
    log.setLevel(logging.ERROR)
    switches = [constants, *configurations]
    before = [each.HF_HUB_OFFLINE for each in switches]
    is_reached = not is_needed
    try:
        if not is_reached and not any(before):
            with suppress(Exception):  # whatever a network answers with, it is none that would be asked again
                get_session().head(constants.ENDPOINT, timeout=REACHED_WITHIN)
                is_reached = True
        if not is_reached:
            for each in switches:
                each.HF_HUB_OFFLINE = True
        yield is_reached
    finally:
        for each, was in zip(switches, before, strict=True):
            each.HF_HUB_OFFLINE = was
        log.setLevel(level)

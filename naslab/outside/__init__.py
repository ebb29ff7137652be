"""What users bring: found by `package.module:name` or a published entry point, and told again by its source.

Blocks, strategies, estimators, metrics and data sets from outside come in by the functions of this room alone:

    evaluate = find_outside("my_code:evaluate", "estimator", "naslab.estimators")
    made_with = source_of(evaluate)     # {"my_code.evaluate": "9f86d081..."}, kept in the study

A name of naslab's own is looked up before any of these. Workers get Python's path of the driver, the working folder in
it, so that they import what the driver has.
"""

from naslab.outside.finding import (
    Group,
    OutsideError,
    find_outside,
    is_outside,
    load_outside,
    name_of,
    published,
    require_takes,
)
from naslab.outside.source import changed, source_of, users_traceback

__all__ = [
    "Group",
    "OutsideError",
    "changed",
    "find_outside",
    "is_outside",
    "load_outside",
    "name_of",
    "published",
    "require_takes",
    "source_of",
    "users_traceback",
]

"""Latencies that a description tells, in microseconds: by a table of operators, or by a model that was fitted.

Both are files, and targets of their names: `table:FILE` and `predicted:FILE`.
"""

from naslab.latency_models.reading import LATENCY_FILES, Reader, latency_of, reader_of, require_readable

__all__ = ["LATENCY_FILES", "Reader", "latency_of", "reader_of", "require_readable"]

"""The single record of a study."""

from naslab.blobs import BlobStore
from naslab.ledger.ledger import Ledger
from naslab.ledger.record import RunRecord, StudyRecord

__all__ = ["BlobStore", "Ledger", "RunRecord", "StudyRecord"]

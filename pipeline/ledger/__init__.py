"""The durable record of a pipeline and its only source of truth."""

from pipeline.ledger.store import Ledger

__all__ = ["Ledger"]

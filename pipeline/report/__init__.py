"""What a run reached, and where every asset stands: for people, machines and browsers."""

from pipeline.report.summary import Failure, SinkTotals, Summary, summarize

__all__ = ["Failure", "SinkTotals", "Summary", "summarize"]

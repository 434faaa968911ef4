"""Frees space at the source, on the evidence of copies that were looked at again just before."""

from pipeline.reclaim.aftermath import Aftermath
from pipeline.reclaim.asking import Pace
from pipeline.reclaim.done import Done
from pipeline.reclaim.policy import Policy
from pipeline.reclaim.session import Session, reclaiming
from pipeline.reclaim.survey import Survey

__all__ = ["Aftermath", "Done", "Pace", "Policy", "Session", "Survey", "reclaiming"]

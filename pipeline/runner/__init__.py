"""Runs, plans and verifies a pipeline."""

from pipeline.runner.check import verify
from pipeline.runner.job import Job, Outcome
from pipeline.runner.planning import Plan, plan
from pipeline.runner.preflight import SinkPlan
from pipeline.runner.run import run

__all__ = ["Job", "Outcome", "Plan", "SinkPlan", "plan", "run", "verify"]

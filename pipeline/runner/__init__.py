"""Runs, plans, verifies a pipeline, and rebuilds its ledger."""

from pipeline.runner.job import Job, Outcome
from pipeline.runner.planning import Plan, plan
from pipeline.runner.preflight import SinkPlan
from pipeline.runner.rebuild import Rebuilt, rebuild
from pipeline.runner.run import run
from pipeline.runner.verification import verify

__all__ = ["Job", "Outcome", "Plan", "Rebuilt", "SinkPlan", "plan", "rebuild", "run", "verify"]

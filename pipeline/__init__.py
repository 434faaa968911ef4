"""The engine: plan, stages, ledger, report. Knows no vendor."""

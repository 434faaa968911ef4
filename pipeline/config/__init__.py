"""Pipelines as people write them: YAML files, variables, and one-shot arguments."""

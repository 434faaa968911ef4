"""Copies that the sinks hold already, or lost: found, handed on, and made again."""

"""Upkeep of the lake: what days leave behind is merged, checkpointed and, once nothing may need it, deleted.

Rows never change here. A table is worked on under its lock, in commits of their own, so that a run that is killed leaves
the table as it was or as it should be, and a table that is being written is waited for, then skipped by name.
"""

"""Reasoning about driving scenes: facts, five-level traces, who writes them, and how good they are."""

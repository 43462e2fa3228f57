"""Measured quality of reasoning traces: no language model judges here, and every figure has its claims."""

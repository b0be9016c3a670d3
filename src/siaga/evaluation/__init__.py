"""Measured quality: metrics with intervals, paired comparison, error analysis, and the report that shows them."""

"""Measured quality of topics: intervals, and the page that shows them."""

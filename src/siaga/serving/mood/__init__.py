"""The mood of a stream: what was said of posts, by minute, language and place, with intervals, charts and a page.

`Tally` counts what comes one by one or reads the sums of a store; `summarise` makes figures of it; `write_summary`
writes them as a page, JSON, a table, charts and a GeoJSON file of places.
"""

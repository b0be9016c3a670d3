"""A bundle at work: on files now, on streams and behind an API later."""

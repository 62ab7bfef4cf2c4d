"""A statement as HTML and as PDF, from what was gathered; the pages themselves are pure."""

"""The kinds of indicators: lengths of time, deadlines, violations counted once each."""

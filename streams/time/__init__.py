"""Event time: clocks, panes, windows, intervals, calendars; pure, no I/O, no clock of its own."""

"""What commands print: tables, lines, reports, progress."""

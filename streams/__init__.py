"""The live side of mailsla: windows, clauses, mail logs, connectors and the command line."""

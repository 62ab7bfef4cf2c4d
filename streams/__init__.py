"""The live side of mailsla: time, clauses, mail logs, connectors and the command line."""

"""The live side of mailsla: windows, clauses, agents, connectors and the command line."""

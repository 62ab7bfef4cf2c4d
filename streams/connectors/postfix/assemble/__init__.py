"""Lines of many programs and hosts to messages: queue files, attempts, hops, outcomes."""

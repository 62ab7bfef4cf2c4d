"""Real systems' formats → events: pure parsers and state machines, edges beside them."""

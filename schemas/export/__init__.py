"""The interface for others: JSON Schemas, the AsyncAPI document, examples, who sends what."""

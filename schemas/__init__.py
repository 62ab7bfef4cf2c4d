"""What may enter or leave mailsla: events, results, contracts, topics.

The pydantic models here are the only definition of an event or a result. The Arrow schema of
the columnar path, the ClickHouse columns, the JSON Schemas and the documentation derive from
them. This package imports nothing else of the project.
"""

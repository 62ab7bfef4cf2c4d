"""From fetched records to accepted events, dead letters and records keyed anew.

Imports the schemas and the records of the runtime only.
"""

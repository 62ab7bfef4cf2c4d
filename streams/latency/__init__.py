"""Messages in columns: who is in flight, what each month and window adds up to (section 2).

Pure numpy over whole batches; imports the schemas and the calendar only.
"""

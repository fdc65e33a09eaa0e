"""What --json prints: one module a document, made from the records that the program uses.

`document(value)` (planner.documents.write) makes the JSON, `schemas` (planner.documents.schema) the schema.
"""

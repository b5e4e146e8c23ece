"""What people see of a run, as HTML: data, templates and assets of the report and the live page.

Reads the store and writes nothing. Imported by report, results, view and commands.
"""

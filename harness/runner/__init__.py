"""A run: its trials, each claimed, worked on, graded and finished by the processes of this machine.

Imported by results and commands.
"""

"""What people and models say of trials: the words, the evidence, the agreement, the critique.

A label stands beside a score and never changes it. Imported by pages, results, view and commands.
"""

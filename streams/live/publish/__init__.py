"""Transitions, assessments and windows as records of the result topics.

Imports what evaluation hands on; changes nothing.
"""

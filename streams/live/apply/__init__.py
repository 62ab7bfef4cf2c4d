"""Accepted events change the state; what they change is marked dirty.

Imports decode and state; evaluates and publishes nothing.
"""

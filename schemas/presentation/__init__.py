"""How figures, verdicts, remedies and indicators read, in Chinese and English: the one table.

Command line, web page, statement and notifications take their words from here, so that one thing
has one name everywhere. Chinese in the agreement's own terms. Pure.
"""

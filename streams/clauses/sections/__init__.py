"""One file for each section of the agreement: its indicators and how they are measured."""

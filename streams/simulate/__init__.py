"""A simulated provider: past months and floods of events, with the truth about them. Pure."""

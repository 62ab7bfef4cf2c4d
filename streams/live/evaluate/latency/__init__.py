"""Section 2: means, exceedances and largest latencies of all touched tenants at once.

Reads the columns of messages; what it finds goes into the states of the package above.
"""

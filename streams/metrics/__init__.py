"""What a worker tells of itself: figures for Prometheus and whether it is well.

``names`` holds every metric, ``health`` decides what is live and ready, ``sampling`` looks at the
event loop and the consumer, ``server`` answers over HTTP from a thread of its own, so that a worker
whose event loop is held still says so. Anybody may import it; it imports the settings alone.
"""

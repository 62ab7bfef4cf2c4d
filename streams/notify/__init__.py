"""Notifications: what the breach feed and the closings say, brought to whoever wants to know.

``routes`` says who wants what, ``signing`` and ``messages`` make what is sent, ``senders`` send it,
``pacing`` decides when to try again, ``runner`` reads the feed for one route.

Every route has a consumer group of its own: its state is the offset up to which its receiver has
everything, which the broker keeps. A receiver that is away holds up its own route alone, and loses
nothing as long as the topic keeps it (400 days).
"""

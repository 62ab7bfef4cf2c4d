"""The web page: what stands, what is in trouble, what just happened, and what became of a message.

Read-only. ``reading``, ``month``, ``latencies``, ``messages`` and ``closings`` ask ClickHouse,
``lagging`` the broker, ``pages`` makes HTML of the answers, ``server``, ``tenants`` and
``message_site`` speak HTTP. aiohttp is no addition: Faust brings it. ``static`` holds two scripts
of ours and uPlot, a library for charts, as its makers publish it.
"""

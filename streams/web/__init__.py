"""The web page: what stands, what is in trouble, what just happened; read-only, no JavaScript.

``reading`` asks ClickHouse, ``lagging`` the broker, ``pages`` makes HTML of the answers, ``server``
speaks HTTP. aiohttp is no addition: Faust brings it.
"""

"""The headers of a webhook: CloudEvents in structured mode, signed as Standard Webhooks says. Pure.

A receiver checks ``webhook-signature``, drops what has an old ``webhook-timestamp``, and a
``webhook-id`` that it has seen: an event comes at least once, under the id it has in the feed.
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Mapping


def headers(event_id: str, body: bytes, secret: bytes | None, now_s: int) -> Mapping[str, str]:
    """The headers under which ``body`` is posted at ``now_s``, seconds since 1970."""
    named = {
        "Content-Type": "application/cloudevents+json",
        "webhook-id": event_id,
        "webhook-timestamp": str(now_s),
    }
    if secret is not None:
        named["webhook-signature"] = signature(event_id, body, secret, now_s)
    return named


def signature(event_id: str, body: bytes, secret: bytes, now_s: int) -> str:
    """``v1,`` and the base64 of HMAC-SHA256 over id, timestamp and body."""
    signed = f"{event_id}.{now_s}.".encode() + body
    return f"v1,{b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()}"

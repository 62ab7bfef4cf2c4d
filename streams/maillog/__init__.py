"""Mail logs, from `raw.maillog` or this machine, to `mail.mta` events that are durable."""

"""What is judged: the tenants of a month, their contract segments, promises, days and deadlines."""

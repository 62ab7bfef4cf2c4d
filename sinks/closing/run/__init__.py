"""What is done with a month: closed, published, verified, audited, proved; its lock and cutoff."""

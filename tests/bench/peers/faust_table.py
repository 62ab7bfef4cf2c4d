"""Faust counting in a Table: in memory, with a changelog topic."""

from tests.bench.peers.faust_app import run

if __name__ == "__main__":
    run("bench-faust-table", lambda app: app.Table("sums", default=lambda: (0, 0.0)))

"""Faust counting in a dict, which is lost when the process ends."""

from tests.bench.peers.faust_app import run

if __name__ == "__main__":
    run("bench-faust-dict", lambda app: {})

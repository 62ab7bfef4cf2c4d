"""A provider of real Postfix instances on loopback ports, and the destination its mail goes to.

    sender ─→ mx1 mx2 mx3 ─→ filter ─→ store (mailboxes)
    sender ─→ out ─→ destination

Each instance has a configuration and a queue of its own, and logs to its standard output, where a
thread stamps every line in microseconds under the instance's name, as a log collector does.
"""

import grp
import os
import shutil
import socketserver
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from mailsla.sinks.embedded.ports import LOOPBACK, resolve_port
from tests.stack import wait_for

DOMAINS = "tenant-a.test tenant-b.test"
_MAILBOX_OWNER = 65534
_SERVICES = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
_COMMON = """
compatibility_level = 3.6
myhostname = {name}.provider.test
mydestination =
queue_directory = {home}/queue
data_directory = {home}/data
maillog_file = /dev/stdout
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_peername_lookup = no
disable_dns_lookups = yes
smtp_host_lookup = native
smtp_tls_security_level = none
smtpd_relay_restrictions = permit_mynetworks, reject
alias_maps =
local_recipient_maps =
"""


class Instance:
    """One Postfix, and the lines it has logged."""

    def __init__(self, home, name, settings):
        self.name, self.port = name, resolve_port(0, name)
        self.lines = []
        self._conf = home / name / "conf"
        self._write(home / name, settings)
        self._process = subprocess.Popen(
            ["postfix", "-c", self._conf, "start-fg"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _write(self, home, settings):
        for folder in ("conf", "queue", "data"):
            (home / folder).mkdir(parents=True)
        shutil.chown(home / "data", "postfix")
        common = _COMMON.format(name=self.name, home=home)
        (self._conf / "main.cf").write_text(common + settings)
        (self._conf / "master.cf").write_text(_SERVICES.format(port=self.port))

    def _read(self):
        for raw in self._process.stdout:
            now = datetime.now(UTC).isoformat(timespec="microseconds")
            # `Nov 26 22:30:18 machine postfix/smtpd[7]: text`
            text = raw.decode().split(None, 4)
            if len(text) == 5 and text[4].startswith("postfix/"):
                self.lines.append(f"{now} {self.name} {text[4]}".encode())

    def stop(self):
        """Ended, and its log read to the end."""
        subprocess.run(
            ["postfix", "-c", self._conf, "stop"], capture_output=True, check=False, timeout=30
        )
        self._process.wait(timeout=30)
        self._reader.join(timeout=10)


class _Session(socketserver.StreamRequestHandler):
    """One client of the destination: takes everything, and notes when a transmission began."""

    def handle(self):
        began = time.time()
        self._say("220 far.test")
        while words := self.rfile.readline().decode().strip():
            verb = words[:4].upper()
            if verb == "DATA":
                self._say("354 go on")
                self._take(began)
                self._say("250 taken")
            elif verb == "QUIT":
                self._say("221 bye")
                return
            else:
                began = time.time() if verb == "MAIL" else began
                self._say("250 fine")

    def _take(self, began):
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            if line.lower().startswith(b"message-id:"):
                self.server.began[line.decode().partition(":")[2].strip()] = began

    def _say(self, reply):
        self.wfile.write(f"{reply}\r\n".encode())


class Destination(socketserver.ThreadingTCPServer):
    """The mail server of somebody else; ``began`` is Message-ID → time."""

    daemon_threads = True

    def __init__(self):
        super().__init__((LOOPBACK, 0), _Session)
        self.began = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Provider:
    """All of it; ``delivered`` is Message-ID → when it was in the mailbox."""

    def __init__(self, home):
        self.destination = Destination()
        mailboxes = home / "mailboxes"
        mailboxes.mkdir()
        os.chown(mailboxes, _MAILBOX_OWNER, grp.getgrnam("nogroup").gr_gid)
        self._mailboxes = mailboxes
        self.store = Instance(home, "store", _store(mailboxes))
        self.filter = Instance(home, "filter", _relay(self.store.port))
        self.mxs = [Instance(home, f"mx{number}", _relay(self.filter.port)) for number in (1, 2, 3)]
        self.out = Instance(home, "out", f"relayhost = {_at(self.destination.server_address[1])}")
        self.instances = [*self.mxs, self.filter, self.store, self.out]

    def delivered(self):
        """What lies in the mailboxes."""
        found = {}
        for path in self._mailboxes.rglob("new/*"):
            for line in path.read_text().splitlines():
                if line.lower().startswith("message-id:"):
                    found[line.partition(":")[2].strip()] = path.stat().st_mtime
        return found

    def log(self):
        """Every line of every instance, in the order of their stamps."""
        return sorted(line for each in self.instances for line in each.lines)

    def stop(self):
        """Nothing of it is left running."""
        for each in self.instances:
            each.stop()
        self.destination.shutdown()
        self.destination.server_close()


def _at(port):
    return f"[{LOOPBACK}]:{port}"


def _relay(port):
    return f"relay_domains = {DOMAINS}\nrelay_transport = smtp:{_at(port)}\n"


def _store(mailboxes):
    return f"""
virtual_mailbox_domains = {DOMAINS}
virtual_mailbox_base = {mailboxes}
virtual_mailbox_maps = static:all/
virtual_uid_maps = static:{_MAILBOX_OWNER}
virtual_gid_maps = static:{_MAILBOX_OWNER}
virtual_minimum_uid = 100
"""


@contextmanager
def provider():
    """A running provider; Postfix's users have to reach its folders, so they lie by themselves."""
    home = Path(tempfile.mkdtemp(prefix="mailsla-postfix-"))
    home.chmod(0o755)
    try:
        made = Provider(home)
        try:
            for each in made.instances:
                wait_for(lambda each=each: any(b"started" in line for line in each.lines), 30)
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)

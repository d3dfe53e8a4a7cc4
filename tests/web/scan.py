"""Runs wapiti against one server of this machine, in a network that has nothing else.

It is started by `unshare -n`, so that whatever a scanner tries, it reaches nothing but loopback. It brings that up, starts the server, waits
until it answers, scans, and ends the server again. Settings are a JSON object on standard input:

    serve    the server's command; null: a server that is full of holes, to show that holes are found
    ready    an address that answers when the server does
    scans    [{name, url, starts, cookie, exclude, modules, seconds}]
    folder   where reports go: NAME.json

It runs in a Python that has wapiti. Nothing is installed and nothing is fetched here.
"""

import fcntl
import http.server
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

# <linux/sockios.h>, <linux/if.h>
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1

WAPITI = "from wapitiCore.main.wapiti import wapiti_asyncio_wrapper as run; run()"


def bring_loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


class Vulnerable(http.server.BaseHTTPRequestHandler):
    """Reflects what it is sent, keeps it, says what its database would say, and goes where it is told."""

    protocol_version = "HTTP/1.1"
    kept = ""

    def do_GET(self):
        self.answer("")

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers.get("content-length", 0))).decode(errors="replace"))

    def answer(self, body):
        url = urllib.parse.urlsplit(self.path)
        fields = urllib.parse.parse_qs(url.query + "&" + body, keep_blank_values=True)
        name = fields.get("name", [""])[0]
        unquoted = "PostgreSQL query failed: ERROR: unterminated quoted string at or near"
        page = {
            "/": '<a href="/hello?name=x">hello</a> <a href="/go?name=/hello">go</a> <a href="/kept">kept</a>'
            '<form method="post" action="/find"><input name="name"><input type="submit"></form>'
            '<form method="post" action="/keep"><input name="name"><input type="submit"></form>',
            "/hello": "Hello " + name,
            "/find": unquoted if "'" in name else "nothing",
            "/keep": "kept",
            "/kept": "They have said: " + Vulnerable.kept,
            "/go": "going",
        }.get(url.path)
        if url.path == "/keep":
            Vulnerable.kept = name
        text = f"<html><body>{page or 'nothing'}</body></html>".encode()
        self.send_response(404 if page is None else 302 if url.path == "/go" else 200)
        if url.path == "/go":
            self.send_header("Location", name.replace("\r", "").replace("\n", ""))
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def start(settings):
    """Starts the server. Returns its process, if it has one of its own."""
    if settings["serve"]:
        return subprocess.Popen(settings["serve"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    address = urllib.parse.urlsplit(settings["ready"])
    server = http.server.ThreadingHTTPServer((address.hostname, address.port), Vulnerable)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return None


def wait_for(address, server):
    for _ in range(600):
        if server is not None and server.poll() is not None:
            raise SystemExit(f"the server ended at its start: {server.returncode}")
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nothing answers at {address}")


def scan(folder, one):
    home, report, log = (os.path.join(folder, one["name"] + end) for end in (".home", ".json", ".log"))
    os.makedirs(home, exist_ok=True)
    seconds = one["seconds"]
    command = [sys.executable, "-c", WAPITI, "--url", one["url"], "--scope", "folder", "--flush-session", "--no-bugreport"]
    command += ["--module", one["modules"], "--format", "json", "--output", report, "--verbose", "1"]
    command += ["--store-session", home, "--store-config", home, "--depth", "3", "--tasks", "4", "--timeout", "10"]
    command += ["--max-scan-time", str(seconds), "--max-attack-time", str(max(5, seconds // 3))]
    for name, values in (("--start", one["starts"]), ("--exclude", one["exclude"])):
        for value in values:
            command += [name, value]
    if one["cookie"]:
        command += ["--header", "Cookie: " + one["cookie"]]
    with open(log, "wb") as output:
        environment = {**os.environ, "HOME": home}
        # It keeps its own time; this is for one that hangs.
        subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, timeout=2 * seconds + 30, check=False
        )
    if not os.path.exists(report):
        with open(log, encoding="utf-8", errors="replace") as said:
            raise SystemExit("wapiti made no report: " + said.read()[-2000:])


def main():
    settings = json.load(sys.stdin)
    bring_loopback_up()
    server = start(settings)
    try:
        wait_for(settings["ready"], server)
        for one in settings["scans"]:
            scan(settings["folder"], one)
    finally:
        if server is not None:
            server.terminate()
            server.wait(30)


main()

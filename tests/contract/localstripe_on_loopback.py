"""Runs localstripe on 127.0.0.1, on the port that is the first argument.

Its own command listens on every address of the machine and keeps what it knows in a file of the temporary folder, from
which the next one starts. Neither is wanted in a test.
"""

import sys

from aiohttp import web
from localstripe import resources, server

resources.store.dump_to_disk = lambda: None
web.run_app(server.app, host="127.0.0.1", port=int(sys.argv[1]))

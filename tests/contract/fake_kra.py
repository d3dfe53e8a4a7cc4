"""Runs the fake KRA of the package etims on 127.0.0.1, on the port that is the first argument, with a second port for the test.

The package's own command cannot be told to fail. On the second port:

    POST /fail   {"path": "/saveTrnsSalesOsdc", "times": 1, "lose_answer": true}   as FakeKra.fail_next takes it
    POST /sales  {"tin": …, "branch": …}   what is signed: as `sales` below has it
    POST /asked  {"path": …}               how often that was asked
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from etims.testing import FakeKra

kra = FakeKra(port=int(sys.argv[1]), approved_serials={"MLANGO-1", "MLANGO-2"})


def sales(tin, branch):
    def line(number, sale):
        request, receipt = sale["request"], sale["receipt"]
        return {
            "number": number,
            "type": request["rcptTyCd"],
            "original": request["orgInvcNo"],
            "reference": request["trdInvcNo"],
            "payment": request["pmtTyCd"],
            "amount": request["totAmt"],
            "tax": request["totTaxAmt"],
            "signature": receipt["rcptSign"],
        }

    return [line(number, sale) for number, sale in sorted(kra.sales(tin, branch).items())]


class Control(BaseHTTPRequestHandler):
    def do_POST(self):
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/fail":
            kra.fail_next(said.pop("path"), **said)
            answer = None
        elif self.path == "/sales":
            answer = sales(said["tin"], said["branch"])
        else:
            answer = sum(path == said["path"] for path, _ in kra.requests)
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


control = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Control)
kra.start()
control.serve_forever()

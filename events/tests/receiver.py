"""A receiver in a separate process that relies only on the public library of Standard Webhooks.

python receiver.py whsec_...        # prints its port, then a line of JSON for each message: its id, and its verdict
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            said = Webhook(sys.argv[1]).verify(body, dict(self.headers.items()))
            verdict, status = said["type"], 200
        except WebhookVerificationError as error:
            verdict, status = str(error), 401
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()
        sys.stdout.write(json.dumps([self.headers["webhook-id"], verdict]) + "\n")
        sys.stdout.flush()

    def log_message(self, *args: object) -> None:
        """Log nothing else."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()

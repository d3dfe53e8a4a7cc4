#!/usr/bin/env python3
"""A mail server for the tests: aiosmtpd, which others wrote, behind a handler that answers as it is told.

    python3 server.py FOLDER [--tls CERTIFICATE KEY [--wrapped]] [--login NAME PASSWORD]

It listens on a free port of 127.0.0.1, which it writes into FOLDER/port, and ends when its standard input does. With
--tls it wants STARTTLS before anything else; with --wrapped connections are encrypted from the first octet on.

For every message it reads FOLDER/mood.json, where a test may have put an object with some of these:

    "recipient": "550 5.1.1 no such mailbox"   the answer to RCPT
    "message": "451 4.7.1 come back later"     the answer to the message
    "loses": true                              breaks the connection instead of that answer

Every message that came whole, whatever the answer, is a line of JSON in FOLDER/mail.jsonl: the envelope, the headers
as a mail program shows them, the text, and how it came.
"""

import argparse
import asyncio
import email
import email.policy
import json
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    def __init__(self, folder, is_wrapped):
        self.folder = folder
        self.is_wrapped = is_wrapped

    def mood(self):
        try:
            with open(os.path.join(self.folder, "mood.json"), encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return {}

    async def handle_RCPT(self, server, session, envelope, address, options):
        answer = self.mood().get("recipient", "250 2.1.5 ok")
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server, session, envelope):
        mood = self.mood()
        self.write_down(session, envelope)
        if mood.get("loses"):
            # This coroutine is cancelled with the connection.
            server.transport.abort()
            await asyncio.sleep(60)
        return mood.get("message", "250 2.0.0 queued")

    def write_down(self, session, envelope):
        message = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
        line = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "headers": [[name, str(value)] for name, value in message.items()],
            "text": message.get_body(("plain",)).get_content().replace("\r\n", "\n"),
            "files": [
                [part.get_filename(), part.get_content_type(), part.get_payload(decode=True).decode("latin-1")]
                for part in message.iter_attachments()
            ],
            "defects": [str(defect) for defect in message.defects],
            "hello": session.host_name,
            "is_encrypted": self.is_wrapped or session.ssl is not None,
            "login": getattr(session, "login_name", None),
        }
        with open(os.path.join(self.folder, "mail.jsonl"), "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def authenticator(name, password):
    def check(server, session, envelope, mechanism, data):
        if (data.login.decode(), data.password.decode()) != (name, password):
            return AuthResult(success=False, handled=False)
        session.login_name = name
        return AuthResult(success=True)

    return check


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"))
    parser.add_argument("--wrapped", action="store_true")
    parser.add_argument("--login", nargs=2, metavar=("NAME", "PASSWORD"))
    return parser.parse_args()


async def main(options):
    context = None
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*options.tls)
    asks_for_tls = context is not None and not options.wrapped
    settings = {"hostname": "mail.test"}
    if asks_for_tls:
        settings.update(tls_context=context, require_starttls=True)
    if options.login:
        check = authenticator(*options.login)
        settings.update(authenticator=check, auth_required=True, auth_require_tls=asks_for_tls)
    loop = asyncio.get_running_loop()
    handler = Handler(options.folder, options.wrapped)
    server = await loop.create_server(
        lambda: SMTP(handler, loop=loop, **settings), "127.0.0.1", 0, ssl=context if options.wrapped else None
    )
    # Under its name only when it is whole.
    path = os.path.join(options.folder, "port")
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(str(server.sockets[0].getsockname()[1]))
    os.rename(path + ".new", path)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main(arguments()))

"""Verifies webhooks by the reference implementation of Standard Webhooks.

Reads one object from standard input, {"webhooks": [{"secret": TEXT, "headers": {...}, "body": TEXT}, ...]}, and writes one,
{"verdicts": [null or what is wrong, ...]}.
"""

import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


def verdict(webhook):
    try:
        Webhook(webhook["secret"]).verify(webhook["body"], webhook["headers"])
    except WebhookVerificationError as error:
        return str(error)
    return None


json.dump({"verdicts": [verdict(one) for one in json.load(sys.stdin)["webhooks"]]}, sys.stdout)

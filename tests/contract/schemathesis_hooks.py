"""What schemathesis must know of the REST interface that its description cannot say.

An Idempotency-Key belongs to one request. Each request that has a good one gets one of its own here; else the same example of a key
would come with different bodies, which is refused, and rightly.
"""

import re
import uuid

import schemathesis

GOOD = re.compile(r"\A[!#-~]{1,255}\Z")
KEY = "Idempotency-Key"


@schemathesis.hook
def before_call(context, case, kwargs):
    headers = case.headers or {}
    value = headers.get(KEY)
    if isinstance(value, str) and GOOD.match(value):
        headers[KEY] = str(uuid.uuid4())

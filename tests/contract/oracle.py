"""Holds JSON of Daraja against the models of mpesakit.

Reads one object from standard input, {"bodies": [{"model": NAME, "body": {...}, "passkey": TEXT or null}, ...]}, and
writes one, {"examples": {NAME: {...}}, "verdicts": [null or what is wrong, ...]}: the examples are mpesakit's own.

The models pass over fields that they do not know and only warn of what Daraja refuses; here both are wrong.
"""

import json
import sys
import warnings

from mpesakit.c2b import schemas as c2b
from mpesakit.mpesa_express import schemas as express
from mpesakit.reversal import schemas as reversal
from mpesakit.transaction_status import schemas as status

MODELS = {
    name: getattr(module, name)
    for module, names in {
        express: [
            "StkPushSimulateRequest",
            "StkPushSimulateResponse",
            "StkPushSimulateCallback",
            "StkPushQueryRequest",
            "StkPushQueryResponse",
        ],
        c2b: [
            "C2BRegisterUrlRequest",
            "C2BRegisterUrlResponse",
            "C2BValidationRequest",
            "C2BValidationResponse",
            "C2BConfirmationResponse",
        ],
        status: [
            "TransactionStatusRequest",
            "TransactionStatusResponse",
            "TransactionStatusResultCallback",
            "TransactionStatusTimeoutCallback",
        ],
        reversal: ["ReversalRequest", "ReversalResponse", "ReversalResultCallback", "ReversalTimeoutCallback"],
    }.items()
    for name in names
}


def verdict(model, body, passkey):
    kind = MODELS[model]
    unknown = sorted(set(body) - set(kind.model_fields))
    if unknown:
        return f"{model} has no {', '.join(unknown)}"
    if passkey is not None:
        made = express.StkPushSimulateRequest._generate_password(body["BusinessShortCode"], passkey, body["Timestamp"])
        if made != body["Password"]:
            return f"the password of {model} is not made of shortcode, passkey and timestamp"
    # Daraja's documentation and this model's own example write it as text; its check takes the number only.
    if model == "TransactionStatusRequest":
        body = {**body, "IdentifierType": int(body["IdentifierType"])}
    try:
        kind(**body)
    except (ValueError, UserWarning) as error:
        return f"{model}: {error}"
    return None


warnings.simplefilter("error", UserWarning)
asked = json.load(sys.stdin)
json.dump(
    {
        "examples": {name: kind.model_config["json_schema_extra"]["example"] for name, kind in MODELS.items()},
        "verdicts": [verdict(one["model"], one["body"], one.get("passkey")) for one in asked["bodies"]],
    },
    sys.stdout,
)

#!/usr/bin/env python3
"""Builds portal/src/api/openapi.json, OpenAPI 3.1, of things.py, kept.json and the operations here.

    portal/openapi/build.py            writes it
    portal/openapi/build.py --check    says whether it is what these files say

Every operation has its errors as components, its scope, and, where one thing leads to another, a link. That the document has the
operations of the program, with the same scopes and keys, is a test of the portal's (portal/src/api/tests.rs).
"""

import json
import pathlib
import sys

from things import (
    DATE, INPUTS, NOTICES, NUMBER, OUTPUTS, PHONE, RECEIPT, TIME, identity, line, null, ref, text, words,
)

HERE = pathlib.Path(__file__).parent
DOCUMENT = HERE.parent / "src" / "api" / "openapi.json"
TAGS = {
    "sites": "Places.", "nas": "Routers.", "packages": "What is sold.", "discounts": "What lowers prices.", "calendar": "Times that are not like others.", "campaigns": "Offers by message, and what they did.", "vouchers": "Codes on paper.",
    "customers": "Who buys.", "entitlements": "What customers may use.", "orders": "What customers wished for.",
    "payments": "Attempts to collect money, and money that goes back.", "received-money": "Money that M-Pesa told of by itself, or only a statement of Stripe or the bank.",
    "sessions": "Sessions at the routers.", "outages": "Routers that went dark.", "alerts": "What is wrong.", "ledger": "What was booked.", "books": "Days that are closed, and their documents.",
    "messages": "What customers are told.", "logs": "Security and audit.", "webhooks": "Telling other programs of what happens.",
    "about": "This interface itself.",
}
PROBLEMS = {
    "BadRequest": "The request cannot be read, or its cursor or key is not good.",
    "Unauthorized": "No token, or not a good one.",
    "Forbidden": "The token lacks the scope, or may not be used from here.",
    "NotFound": "There is no such thing.",
    "MethodNotAllowed": "The address does not understand this method.",
    "Conflict": "It contradicts what is there, or is still being done.",
    "PreconditionFailed": "It was changed meanwhile.",
    "TooLarge": "The body is too large.",
    "UnsupportedMediaType": "The body is not JSON.",
    "Invalid": "A value is not acceptable; errors says which.",
    "PreconditionRequired": "If-Match is needed.",
    "TooManyRequests": "The token asks too often.",
    "Internal": "It is our fault.",
    "Unavailable": "The database is away.",
}
STATUS = {
    "400": "BadRequest", "401": "Unauthorized", "403": "Forbidden", "404": "NotFound", "405": "MethodNotAllowed", "409": "Conflict",
    "412": "PreconditionFailed", "413": "TooLarge", "415": "UnsupportedMediaType", "422": "Invalid", "428": "PreconditionRequired",
    "429": "TooManyRequests", "500": "Internal", "503": "Unavailable",
}
HEADERS = {
    "Unauthorized": {"WWW-Authenticate": "Bearer."}, "MethodNotAllowed": {"Allow": "The methods that it understands."},
    "UnsupportedMediaType": {"Accept": "What bodies may be sent as."}, "TooManyRequests": {"Retry-After": "Seconds to wait."},
    "Unavailable": {"Retry-After": "Seconds to wait."},
}
# What stands in a path, by its name, where it is no identity.
PLACES = {
    "code": text(pattern="^[a-z-]{1,40}$", examples=["invalid"]), "receipt": text(pattern=RECEIPT, examples=["RKTQDM7W6S"]),
    "number": text(pattern=NUMBER, examples=["20261122-NBO1-M"]),
    "name": words(*NOTICES), "language": words("en", "sw"),
}
paths = {}
lists = {}


def header(description):
    return {"description": description, "schema": text()}


def parameter(name):
    return {"$ref": f"#/components/parameters/{name}"}


def body_of(schema):
    return {"application/json": {"schema": schema}}


def operation(method, path, name, tag, summary, scope, success, *, kind=None, body=None, query=(), key=False, description="", links=None):
    """Adds an operation. `success` is a status with what is told, and `kind` what the identity in the path is of."""
    status, schema, said = success
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    parameters = [
        {"name": one, "in": "path", "required": True, "schema": identity(kind) if one == "id" else PLACES[one]} for one in names
    ]
    failures = {"405"}
    if scope:
        failures |= {"401", "403", "429", "500", "503"}
    if names:
        failures |= {"400", "404"}
    if query:
        failures |= {"400", "422"}
        parameters += [parameter(one) if isinstance(one, str) else one for one in query]
    changes = method in ("patch", "delete")
    if changes:
        failures |= {"409", "412", "428"}
        parameters.append(parameter("IfMatch"))
    if method == "post":
        failures |= {"404", "409"}
    if key:
        failures |= {"400", "409", "413", "422"}
        parameters.append(parameter("IdempotencyKey"))
    if body:
        failures |= {"400", "404", "409", "413", "415", "422"}
    is_single = method == "get" and names and schema and not said.startswith("A page") and not said.startswith("All")
    if is_single and scope:
        parameters.append(parameter("IfNoneMatch"))
    answer = {"description": said}
    if schema:
        answer["content"] = body_of(schema) if not isinstance(schema, str) else {schema: {"schema": text()}}
    tells_etag = (is_single and scope) or method == "patch" or (status == "201" and links)
    if tells_etag:
        answer["headers"] = {"ETag": header("What it was; send it as If-Match with a change.")}
    if status == "201" and links:
        answer["headers"]["Location"] = header("Where it is.")
    if said.startswith("A page"):
        answer["headers"] = {"Link": header("Where the next page is, as rel=\"next\"; not there at the end.")}
    if links:
        answer["links"] = links
    responses = {status: answer}
    if is_single and scope:
        responses["304"] = {"description": "You have it already."}
    responses.update({failure: {"$ref": f"#/components/responses/{STATUS[failure]}"} for failure in sorted(failures)})
    paths.setdefault(path, {})[method] = {
        "operationId": name, "tags": [tag], "summary": summary, **({"description": description} if description else {}),
        "security": [{"token": [scope]}] if scope else [],
        **({"parameters": parameters} if parameters else {}),
        **({"requestBody": {"required": True, "content": body_of(ref(body)) | ({"application/merge-patch+json": {"schema": ref(body)}} if method == "patch" else {})}} if body else {}),
        "responses": responses,
    }


def page(thing):
    lists[f"{thing}List"] = thing
    return ("200", ref(f"{thing}List"), "A page, the newest first.")


def all_of(thing):
    lists[f"{thing}List"] = thing
    return ("200", ref(f"{thing}List"), "All of them.")


def one(thing, said="It."):
    return ("200", ref(thing), said)


def to(**operations):
    """Links by the identity of what was made, with its ETag."""
    return {
        name: {"operationId": name, "parameters": {"path.id": "$response.body#/id"} | ({"header.If-Match": "$response.header.ETag"} if etag else {})}
        for name, etag in operations.items()
    }


def same(**operations):
    """Links by the identity in the request, with the ETag of the answer."""
    return {
        name: {"operationId": name, "parameters": {"path.id": "$request.path.id"} | ({"header.If-Match": "$response.header.ETag"} if etag else {})}
        for name, etag in operations.items()
    }


LIST = ("Limit", "Cursor")


def filtered(name, schema, description):
    return {"name": name, "in": "query", "description": description, "schema": schema}


def state(*known):
    return filtered("state", words(*known), "Only those that stand so.")


STATES = {
    "order": state("created", "prompted", "unknown", "confirming", "paid", "failed", "refund_due"),
    "payment": state("created", "prompted", "unknown", "confirming", "succeeded", "failed"),
    "entitlement": state("active", "exhausted", "expired", "revoked"),
    "message": state("pending", "sent", "delivered", "undelivered", "failed", "expired", "skipped"),
}

operation("get", "/openapi.json", "describe", "about", "This description", None, ("200", {"type": "object"}, "OpenAPI 3.1."))
operation("get", "/problems/{code}", "explainProblem", "about", "What a kind of problem means, for people", None, ("200", "text/plain", "An explanation."))

operation("get", "/sites", "listSites", "sites", "List the sites", "sites:read", page("Site"), query=LIST)
operation("post", "/sites", "addSite", "sites", "Add a site", "sites:write", ("201", ref("Site"), "It is there."), body="NewSite", links=to(getSite=False, changeSite=True))
operation("get", "/sites/{id}", "getSite", "sites", "A site", "sites:read", one("Site"), kind="site", links=same(changeSite=True))
operation("patch", "/sites/{id}", "changeSite", "sites", "Change a site", "sites:write", one("Site"), kind="site", body="SiteChange")

operation("get", "/nas", "listNas", "nas", "List the routers", "routers:read", page("Nas"), query=LIST, description="Secrets are never shown.")
operation("post", "/nas", "addNas", "nas", "Register a router", "routers:write", ("201", ref("Nas"), "It is registered."), body="NewNas", links=to(getNas=False, changeNas=True, removeNas=True))
operation("get", "/nas/{id}", "getNas", "nas", "A router", "routers:read", one("Nas"), kind="nas", links=same(changeNas=True, removeNas=True), description="Its ETag is that of what its operator says of it; when it was last heard does not change it.")
operation("patch", "/nas/{id}", "changeNas", "nas", "Change a router", "routers:write", one("Nas"), kind="nas", body="NasChange")
operation("delete", "/nas/{id}", "removeNas", "nas", "Forget a router", "routers:write", ("204", None, "It is forgotten."), kind="nas", description="One at which packages were sold stays.")
operation("post", "/nas/{id}/secrets", "rotateNasSecret", "nas", "Give a router a new secret", "routers:secret", ("201", ref("NasSecret"), "It counts from now on, the one before beside it for a while."), kind="nas", body="NewSecret")

operation("get", "/packages", "listPackages", "packages", "List the packages", "packages:read", page("Package"), query=LIST, description="Also those no longer offered.")
operation("post", "/packages", "addPackage", "packages", "Add a package", "packages:write", ("201", ref("Package"), "It is there."), body="NewPackage", links=to(getPackage=False, changePackage=True, listPackageVersions=False))
operation("get", "/packages/{id}", "getPackage", "packages", "A package", "packages:read", one("Package"), kind="package", links=same(changePackage=True))
operation("patch", "/packages/{id}", "changePackage", "packages", "Change a package", "packages:write", one("Package"), kind="package", body="PackageChange", description="What was sold before keeps its rules; each change of what is sold is a version.")
operation("get", "/packages/{id}/versions", "listPackageVersions", "packages", "What a package was before", "packages:read", all_of("PackageVersion"), kind="package")

operation("get", "/discounts", "listDiscounts", "discounts", "List the discounts", "discounts:read", page("Discount"), query=LIST)
operation("post", "/discounts", "addDiscount", "discounts", "Add a discount", "discounts:write", ("201", ref("Discount"), "It is there."), body="NewDiscount", links=to(getDiscount=False, changeDiscount=True, endDiscount=False))
operation("get", "/discounts/{id}", "getDiscount", "discounts", "A discount", "discounts:read", one("Discount"), kind="discount", links=same(changeDiscount=True), description="Its ETag is that of its terms; a use does not change it.")
operation("patch", "/discounts/{id}", "changeDiscount", "discounts", "Change a discount", "discounts:write", one("Discount"), kind="discount", body="DiscountChange", description="Orders that save by it keep their price.")
operation("post", "/discounts/{id}/endings", "endDiscount", "discounts", "End a discount now", "discounts:write", one("Discount", "It is over."), kind="discount", description="Twice is once, so it needs no key.")

operation("get", "/calendar-days", "listCalendarDays", "calendar", "List what is not as usual", "calendar:read", page("CalendarDay"), query=(*LIST, filtered("since", TIME, "What is not over then.")))
operation("post", "/calendar-days", "addCalendarDay", "calendar", "Say that something is not as usual", "calendar:write", ("201", ref("CalendarDay"), "It stands in the calendar; the forecasts of the next night heed it."), body="NewCalendarDay", links=to(getCalendarDay=False, removeCalendarDay=True), description="At most 92 days by the clock of the place. What stands there already is a conflict, so it needs no key.")
operation("post", "/calendar-days/holidays", "addHolidays", "calendar", "Write Kenya's public holidays down", "calendar:write", one("HolidaysAdded", "They stand in the calendar."), body="NewHolidays", description="Without Idd-ul-Fitr and Idd-ul-Azha, which go by the moon. Twice is once, so it needs no key.")
operation("get", "/calendar-days/{id}", "getCalendarDay", "calendar", "Something that is not as usual", "calendar:read", one("CalendarDay"), kind="calendar_day", links=same(removeCalendarDay=True))
operation("delete", "/calendar-days/{id}", "removeCalendarDay", "calendar", "Take it out", "calendar:write", ("204", None, "It is taken out."), kind="calendar_day")

operation("get", "/campaigns", "listCampaigns", "campaigns", "List the campaigns", "campaigns:read", page("Campaign"), query=LIST)
operation("post", "/campaigns", "beginCampaign", "campaigns", "Tell an offer", "campaigns:write", ("201", ref("Campaign"), "Its members are drawn, and are told from now on."), body="NewCampaign", key=True, links=to(getCampaign=False, getCampaignOutcome=False, stopCampaign=False), description="To those who said yes to offers, but for those who are held out by lot. Messages are paid for.")
operation("post", "/campaigns/reaches", "reachOfCampaign", "campaigns", "How many an offer would reach", "campaigns:read", one("CampaignReach"), body="NewAudience", description="It changes nothing.")
operation("get", "/campaigns/{id}", "getCampaign", "campaigns", "A campaign", "campaigns:read", one("Campaign"), kind="campaign")
operation("get", "/campaigns/{id}/outcome", "getCampaignOutcome", "campaigns", "What a campaign did", "campaigns:read", one("CampaignOutcome"), kind="campaign")
operation("post", "/campaigns/{id}/stops", "stopCampaign", "campaigns", "Tell nobody else", "campaigns:write", one("Campaign", "What waits to be sent is not."), kind="campaign", description="Twice is once, so it needs no key.")

operation("get", "/voucher-batches", "listVoucherBatches", "vouchers", "List the batches", "vouchers:read", page("VoucherBatch"), query=(*LIST, filtered("agent", line(100), "Only those that this agent has.")))
operation("post", "/voucher-batches", "addVoucherBatch", "vouchers", "Make vouchers", "vouchers:write", ("201", ref("VoucherBatch"), "They are good from now on."), body="NewVoucherBatch", key=True, links=to(getVoucherBatch=False, changeVoucherBatch=True, listVouchers=False, listVoucherCodes=False))
operation("get", "/voucher-batches/{id}", "getVoucherBatch", "vouchers", "A batch", "vouchers:read", one("VoucherBatch"), kind="voucher_batch", links=same(changeVoucherBatch=True))
operation("patch", "/voucher-batches/{id}", "changeVoucherBatch", "vouchers", "Say who has the paper", "vouchers:write", one("VoucherBatch"), kind="voucher_batch", body="VoucherBatchChange")
operation("get", "/voucher-batches/{id}/vouchers", "listVouchers", "vouchers", "The vouchers of a batch", "vouchers:read", ("200", ref("VoucherList"), "A page, in the order of the serials."), kind="voucher_batch", query=LIST)
operation("get", "/voucher-batches/{id}/codes", "listVoucherCodes", "vouchers", "The codes of a batch", "vouchers:codes", ("200", ref("VoucherCodeList"), "A page, in the order of the serials."), kind="voucher_batch", query=LIST, description="Codes are money. Who reads them is written down.")
operation("post", "/voucher-batches/{id}/sales", "sellVouchers", "vouchers", "Note that vouchers were sold", "vouchers:write", one("Changed"), kind="voucher_batch", body="NewSale", key=True, description="All of them, or none. Serials that the batch does not have are named in errors, with 422.")
operation("post", "/voucher-batches/{id}/voids", "voidVouchers", "vouchers", "Make vouchers worth nothing", "vouchers:write", one("Changed"), kind="voucher_batch", body="NewVoid", key=True, description="All of them, or none. Serials that the batch does not have are named in errors, with 422.")
lists.update(VoucherList="Voucher", VoucherCodeList="VoucherCode")

operation("get", "/customers", "listCustomers", "customers", "List the customers", "customers:read", page("Customer"), query=(*LIST, filtered("phone", text(pattern=PHONE), "The one with this number.")))
operation("post", "/customers", "addCustomer", "customers", "Add a customer", "customers:write", ("201", ref("Customer"), "The customer is known."), body="NewCustomer", links=to(getCustomer=False, changeCustomer=True, listCustomerEntitlements=False))
operation("get", "/customers/{id}", "getCustomer", "customers", "A customer", "customers:read", one("Customer"), kind="customer", links=same(changeCustomer=True))
operation("patch", "/customers/{id}", "changeCustomer", "customers", "Name a customer, or choose the language", "customers:write", one("Customer"), kind="customer", body="CustomerChange")
operation("get", "/customers/{id}/devices", "listCustomerDevices", "customers", "A customer's devices", "customers:read", all_of("Device"), kind="customer")
operation("get", "/customers/{id}/entitlements", "listCustomerEntitlements", "customers", "What a customer may use", "entitlements:read", page("Entitlement"), kind="customer", query=(*LIST, STATES["entitlement"]))
operation("get", "/customers/{id}/orders", "listCustomerOrders", "customers", "A customer's orders", "orders:read", page("Order"), kind="customer", query=(*LIST, STATES["order"]))
operation("get", "/customers/{id}/notifications", "listCustomerNotifications", "customers", "What a customer was told", "messages:read", page("Notification"), kind="customer", query=(*LIST, STATES["message"]))

operation("get", "/entitlements", "listEntitlements", "entitlements", "List the entitlements", "entitlements:read", page("Entitlement"), query=(*LIST, STATES["entitlement"]))
operation("post", "/entitlements", "grantEntitlement", "entitlements", "Give a customer a package", "entitlements:write", ("201", ref("Entitlement"), "The customer can log in."), body="NewEntitlement", key=True, links=to(getEntitlement=False, endEntitlement=False))
operation("get", "/entitlements/{id}", "getEntitlement", "entitlements", "An entitlement", "entitlements:read", one("Entitlement"), kind="entitlement")
operation("get", "/entitlements/{id}/devices", "listEntitlementDevices", "entitlements", "The devices with a place in it", "entitlements:read", all_of("BoundDevice"), kind="entitlement")
operation("post", "/entitlements/{id}/endings", "endEntitlement", "entitlements", "End access now", "entitlements:write", one("Entitlement", "It is over, and its sessions are being ended."), kind="entitlement", key=True)

operation("get", "/orders", "listOrders", "orders", "List the orders", "orders:read", page("Order"), query=(*LIST, STATES["order"]))
operation("get", "/orders/{id}", "getOrder", "orders", "An order", "orders:read", one("Order"), kind="order")

operation("get", "/payments", "listPayments", "payments", "List the payments", "money:read", page("Payment"), query=(*LIST, STATES["payment"]))
operation("get", "/payments/{id}", "getPayment", "payments", "A payment", "money:read", one("Payment"), kind="payment")
operation("post", "/payments/{id}/refunds", "refundPayment", "payments", "Give a payment by card back", "money:refund", ("201", ref("Refund"), "It goes back, and what it bought has ended."), kind="payment", key=True, links=to(getRefund=False), description="200 if that was asked before.")
paths["/payments/{id}/refunds"]["post"]["responses"]["200"] = {"description": "It was asked before.", "content": body_of(ref("Refund"))}
operation("get", "/refunds", "listRefunds", "payments", "List the refunds to cards", "money:read", page("Refund"), query=LIST)
operation("get", "/refunds/{id}", "getRefund", "payments", "A refund", "money:read", one("Refund"), kind="refund")

operation("get", "/received-money", "listReceivedMoney", "received-money", "List money that came by itself", "money:read", page("ReceivedMoney"), query=(*LIST, filtered("which", words("waiting", "all"), "What waits for a person, if not said.")))
operation("get", "/received-money/{receipt}", "getReceivedMoney", "received-money", "The money of a receipt", "money:read", one("ReceivedMoney"))
operation("post", "/received-money/{receipt}/assignments", "assignReceivedMoney", "received-money", "Say what it pays for", "money:decide", one("Assignment", "The customer has access."), body="NewAssignment", key=True)
operation("post", "/received-money/{receipt}/refunds", "refundReceivedMoney", "received-money", "Say that it goes back", "money:refund", one("ReceivedMoney", "It is owed to its payer."), key=True)
operation("post", "/received-money/{receipt}/reversals", "reverseReceivedMoney", "received-money", "Have M-Pesa give back what is owed", "money:refund", ("202", ref("Reversal"), "M-Pesa answers later."), body="NewReversal", key=True)
operation("post", "/received-money/{receipt}/returns", "returnReceivedMoney", "received-money", "Note that a person gave it back", "money:refund", one("ReceivedMoney"), body="NewReturn", key=True)
operation("post", "/received-money/{receipt}/ignores", "ignoreReceivedMoney", "received-money", "Leave it out of what waits", "money:decide", one("ReceivedMoney"), body="NewIgnore")
operation("post", "/received-money/{receipt}/heeds", "heedReceivedMoney", "received-money", "Let it wait again", "money:decide", one("ReceivedMoney"))

operation("get", "/sessions", "listSessions", "sessions", "List the open sessions", "sessions:read", page("Session"), query=LIST)
operation("get", "/sessions/ended", "listEndedSessions", "sessions", "List the sessions that ended", "sessions:read", page("Session"), query=LIST)
operation("get", "/sessions/{id}", "getSession", "sessions", "A session", "sessions:read", one("Session"), kind="session", description="Open or ended.")
operation("post", "/sessions/{id}/disconnects", "disconnectSession", "sessions", "Ask the router to end an open session", "sessions:write", ("202", ref("Disconnect"), "The router is being asked."), kind="session", description="The command is written down and sent; whether the router obeyed shows in the session's cut. While a command is under way a repeat makes no second one, so no Idempotency-Key is needed.")

operation("get", "/outages", "listOutages", "outages", "List the outages", "outages:read", page("Outage"), query=LIST)
operation("get", "/outages/{id}", "getOutage", "outages", "An outage", "outages:read", one("Outage"), kind="outage")
operation("post", "/outages/{id}/give-backs", "giveOutageBack", "outages", "Give customers the time back", "outages:write", one("GiveBack", "Their access ends so much later."), kind="outage", key=True)

operation("get", "/alerts", "listAlerts", "alerts", "List the alerts", "alerts:read", page("Alert"), query=(*LIST, state("open", "acknowledged", "resolved")))
operation("get", "/alerts/{id}", "getAlert", "alerts", "An alert", "alerts:read", one("Alert"), kind="alert")
operation("post", "/alerts/{id}/acknowledgements", "acknowledgeAlert", "alerts", "Say that somebody minds it", "alerts:write", one("Alert", "Nobody else is told that it goes on."), kind="alert", body="NewAcknowledgement", description="One that is minded or over is a conflict, so it needs no key.")

operation("get", "/ledger/accounts", "listLedgerAccounts", "ledger", "The accounts and their balances", "ledger:read", all_of("LedgerAccount"))
operation("get", "/ledger/transactions", "listLedgerTransactions", "ledger", "What was booked", "ledger:read", page("LedgerTransaction"), query=LIST)
operation("get", "/ledger/transactions/{id}", "getLedgerTransaction", "ledger", "What was booked for one event", "ledger:read", one("LedgerTransaction"), kind="transaction")

operation("get", "/books/days", "listBookDays", "books", "List the days that are closed", "books:read", page("BookDay"), query=(*LIST, filtered("since", text(pattern=DATE), "From this day on."), filtered("until", text(pattern=DATE), "Up to this day, which is included.")), description="The newest 2000 of these days; older ones by since and until.")
operation("post", "/books/days/close", "closeBookDay", "books", "Close a day that is over", "books:write", one("ClosedDay", "It is closed."), body="NewClosing", description="Days of a place are closed in their order; they also close by themselves. Twice is once, so it needs no key. Without a site: what belongs to none.")
operation("get", "/books/documents/{number}", "getBookDocument", "books", "A document", "books:read", one("BookDocument"), description="It never changes once it is there.")

operation("get", "/notifications", "listNotifications", "messages", "List the messages to customers", "messages:read", page("Notification"), query=(*LIST, STATES["message"]))
operation("get", "/notifications/{id}", "getNotification", "messages", "A message", "messages:read", one("Notification"), kind="notification")
operation("get", "/texts", "listTexts", "messages", "How messages are worded", "messages:read", all_of("Text"))
operation("get", "/texts/{name}/{language}", "getText", "messages", "How a message is worded", "messages:read", one("Text"))
operation("patch", "/texts/{name}/{language}", "changeText", "messages", "Word a message otherwise, or do not send it", "messages:write", one("Text"), body="TextChange", description="It is tried with sample values first.")

operation("get", "/security-events", "listSecurityEvents", "logs", "The security log", "security:read", page("SecurityEvent"), query=LIST)
operation("get", "/audit-log", "listAuditLog", "logs", "The audit log", "audit:read", page("AuditLine"), query=(*LIST, filtered("actor", line(200), "Only what this one did, such as: token till.")))

operation("get", "/webhook-endpoints", "listWebhookEndpoints", "webhooks", "List the endpoints", "webhooks:read", page("WebhookEndpoint"), query=LIST)
operation("post", "/webhook-endpoints", "addWebhookEndpoint", "webhooks", "Be told of what happens", "webhooks:write", ("201", ref("WebhookEndpointWithSecret"), "It is told from now on. The secret is shown this once."), body="NewWebhookEndpoint", links=to(getWebhookEndpoint=False, changeWebhookEndpoint=True, removeWebhookEndpoint=True, rotateWebhookSecret=False, listWebhookDeliveries=False))
operation("get", "/webhook-endpoints/{id}", "getWebhookEndpoint", "webhooks", "An endpoint", "webhooks:read", one("WebhookEndpoint"), kind="endpoint", links=same(changeWebhookEndpoint=True, removeWebhookEndpoint=True))
operation("patch", "/webhook-endpoints/{id}", "changeWebhookEndpoint", "webhooks", "Change an endpoint", "webhooks:write", one("WebhookEndpoint"), kind="endpoint", body="WebhookEndpointChange")
operation("delete", "/webhook-endpoints/{id}", "removeWebhookEndpoint", "webhooks", "Be told no more", "webhooks:write", ("204", None, "It is forgotten, with what became of telling it."), kind="endpoint")
operation("post", "/webhook-endpoints/{id}/secrets", "rotateWebhookSecret", "webhooks", "Give an endpoint a new secret", "webhooks:write", ("201", ref("WebhookSecret"), "Both sign until the old one is over."), kind="endpoint")
operation("get", "/webhook-endpoints/{id}/deliveries", "listWebhookDeliveries", "webhooks", "What became of telling an endpoint", "webhooks:read", page("WebhookDelivery"), kind="endpoint", query=LIST, description="Kept for thirty days.")
operation("post", "/webhook-endpoints/{id}/replays", "replayWebhooks", "webhooks", "Be told again", "webhooks:write", ("202", ref("WebhookReplay"), "What happened since then is told again, under the same webhook-id."), kind="endpoint", body="NewReplay")
operation("get", "/webhook-events", "listWebhookEvents", "webhooks", "What happened", "webhooks:read", page("WebhookEvent"), query=LIST, description="Of what some endpoint wanted to be told. Kept for thirty days.")


def document():
    kept = json.loads((HERE / "kept.json").read_text())
    problem = {"application/problem+json": {"schema": ref("Problem")}}
    responses = {
        name: {"description": said, "content": problem} | ({"headers": {one: header(what) for one, what in HEADERS[name].items()}} if name in HEADERS else {})
        for name, said in PROBLEMS.items()
    }
    listed = {
        name: {
            "type": "object", "required": ["data", "next_cursor"],
            "properties": {
                "data": {"type": "array", "items": ref(thing)},
                "next_cursor": null(text("Send it as cursor to have the next page; null at the end.")),
            },
        }
        for name, thing in lists.items()
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Mlango", "version": "1", "summary": "What an operator's programs may ask and do.",
            "description": "Times are RFC 3339 in UTC, durations seconds, data bytes, money minor units with a currency. Identifiers are opaque. "
            "Every answer that is not a success is a problem document. Fields may be added; clients ignore what they do not know. "
            "Answers to a token carry RateLimit headers.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/api/v1"}],
        "security": [{"token": []}],
        "tags": [{"name": name, "description": said} for name, said in TAGS.items()],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http", "scheme": "bearer", "bearerFormat": "mlt_…",
                    "description": "Made by `portal token create --name NAME --scope SCOPE`. Each operation names the scope that it asks for.",
                },
            },
            "parameters": {
                "Limit": {"name": "limit", "in": "query", "description": "How many at most.", "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}},
                "Cursor": {
                    "name": "cursor", "in": "query", "description": "The next_cursor of an earlier answer, of the same list with the same filters.",
                    "schema": text(minLength=1, maxLength=500),
                },
                "IdempotencyKey": {
                    "name": "Idempotency-Key", "in": "header", "required": True,
                    "description": "Under which this is done once: the same request again gets the same answer, with Idempotency-Replayed: true. Kept for two days; where money moves, as long as the ledger.",
                    "schema": text(minLength=1, maxLength=255, pattern="^[!#-~]+$", examples=["8e03978e-40d5-43dd-bc93-6894a57f9324"]),
                },
                "IfMatch": {
                    "name": "If-Match", "in": "header", "required": True, "description": "The ETag of what the change was decided by.",
                    "schema": text(minLength=1, maxLength=200, examples=["\"5d41402abc4b2a76b9719d911017c592\""]),
                },
                "IfNoneMatch": {"name": "If-None-Match", "in": "header", "description": "The ETag of what you have.", "schema": text()},
            },
            "responses": responses,
            "schemas": kept | INPUTS | OUTPUTS | listed,
        },
    }


def main():
    built = json.dumps(document(), indent=2, ensure_ascii=False) + "\n"
    if "--check" in sys.argv[1:]:
        if DOCUMENT.read_text() != built:
            sys.exit(f"{DOCUMENT} is not what portal/openapi says: run portal/openapi/build.py")
        return
    DOCUMENT.write_text(built)


main()

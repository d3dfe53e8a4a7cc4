"""What the REST interface takes and tells: the schemas of things. build.py puts them into portal/src/api/openapi.json.

A schema of what is told requires every field, since each is always there; one of what is taken (New…, …Change) refuses what it does
not name, and says of each value exactly what portal/src/api/input.rs accepts.
"""

MAX_MINOR = 9007199254740991
TIME = {"type": "string", "format": "date-time", "examples": ["2026-11-24T18:40:00Z"]}
LINE = r"^[^\s\u0000-\u001f\u007f-\u009f]([^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f])?$"
DAY = "(mon|tue|wed|thu|fri|sat|sun)"
CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]"
HOURS = f"^(daily|{DAY}(-{DAY})?) {CLOCK}-{CLOCK}(, (daily|{DAY}(-{DAY})?) {CLOCK}-{CLOCK}){{0,6}}$"
OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
NETWORK = rf"^{OCTET}(\.{OCTET}){{3}}(/(3[0-2]|[12]?[0-9]))?$"
PHONE = r"^\+254[17][0-9]{8}$"
PHONE_TOLD = r"^\+[1-9][0-9]{6,14}$"
MAC = "^([0-9A-F]{2}:){5}[0-9A-F]{2}$"
RECEIPT = "^[A-Z0-9]{6,20}$"
NUMBER = "^[0-9]{8}-[A-Z0-9]{1,5}-[A-Z]{1,4}$"
# A day of this century that the calendar has.
DATE = (
    "^(20[0-9]{2}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
    "|20([02468][048]|[13579][26])-02-29)$"
)
ORDER_CODE = "^[A-Z0-9]{6,12}$"
EVENTS = [
    "payment.succeeded", "payment.failed", "order.paid", "order.refund_due", "refund.succeeded", "refund.failed", "voucher.redeemed",
    "nas.silent", "nas.heard", "session.started", "session.stopped",
]
NOTICES = [
    "payment_received", "given", "ends_soon", "data_low", "data_nearly_used", "ended", "new_device", "trouble", "trouble_over",
    "address_proof", "offer",
]
PREFIXES = {
    "alert": "alr", "calendar_day": "cal", "campaign": "cam", "customer": "cus", "delivery": "whd", "discount": "dis", "endpoint": "whe", "entitlement": "ent", "event": "evt", "nas": "nas",
    "notification": "msg", "order": "ord", "outage": "out", "package": "pkg", "payment": "pay", "refund": "ref", "session": "ses",
    "site": "sit", "transaction": "ltx", "security_event": "sec", "voucher": "vou", "voucher_batch": "vba",
}


def ref(name):
    return {"$ref": f"#/components/schemas/{name}"}


def said(schema, description):
    return {**schema, "description": description}


def null(schema):
    """The same, or null."""
    if "$ref" in schema:
        return {"oneOf": [schema, {"type": "null"}]}
    schema = {**schema, "type": [schema["type"], "null"]}
    if "enum" in schema:
        schema["enum"] = [*schema["enum"], None]
    return schema


def identity(kind):
    prefix = PREFIXES[kind]
    return {"type": "string", "pattern": f"^{prefix}_[0-9a-f]{{32}}$", "examples": [f"{prefix}_0192e4a0000070008000000000000001"]}


def text(description="", **more):
    return {"type": "string", **({"description": description} if description else {}), **more}


def line(most, description="", **more):
    return text(description, minLength=1, maxLength=most, pattern=LINE, **more)


def line_or_empty(most, description=""):
    return text(description, maxLength=most, pattern=f"^$|{LINE}")


def visible(most, description="", **more):
    return text(description, minLength=1, maxLength=most, pattern="^[!-~]+$", **more)


def whole(low, high, description="", **more):
    return {
        "type": "integer", **({"format": "int64"} if high > 2**31 else {}), "minimum": low, "maximum": high,
        **({"description": description} if description else {}), **more,
    }


def words(*known, description=""):
    return {"type": "string", "enum": list(known), **({"description": description} if description else {})}


def flag(description=""):
    return {"type": "boolean", **({"description": description} if description else {})}


def told(description="", **fields):
    """An object of which each field is always there."""
    return {
        "type": "object", **({"description": description} if description else {}), "required": list(fields), "properties": fields,
    }


def taken(required=(), description="", **fields):
    """An object that refuses what it does not name."""
    return {
        "type": "object", **({"description": description} if description else {}), **({"required": list(required)} if required else {}),
        "additionalProperties": False, "properties": fields,
    }


def many(schema, most=None):
    return {"type": "array", "items": schema, **({"maxItems": most} if most else {})}


def choice(schema, most):
    """A list of different things, taken."""
    return {"type": "array", "items": schema, "maxItems": most, "uniqueItems": True}


COUNT = {"type": "integer", "format": "int64", "minimum": 0}
MONEY = ref("Money")
PRICE = ref("NewMoney")
DAY_TOLD = {"type": "string", "format": "date", "examples": ["2026-11-29"]}
METHOD = words("mpesa", "stripe", "cash", description="By what it was paid.")

# What a package allows, in a body; everything but its slug, name and price may be left out.
SPEED = "Both speeds are said, or neither; 0 is without limit."
RULES = {
    "starts": words("purchase", "first_login", description="When its clock starts."),
    "active": flag("Whether it is sold at all."),
    "position": whole(0, 1_000_000, "Its place in the list that customers see, low first."),
    "duration_seconds": null(whole(1, 315_360_000, "How long access lasts.")),
    "until": null(words("day", "week", description="It lasts until the end of the day or the week instead of a duration.")),
    "quota_bytes": null(whole(1, MAX_MINOR, "Data, up and down together.")),
    "quota_up_bytes": null(whole(1, MAX_MINOR, "Data from the customer.")),
    "quota_down_bytes": null(whole(1, MAX_MINOR, "Data to the customer.")),
    "quota_seconds": null(whole(1, 315_360_000, "Time that may be spent online, on all devices together.")),
    "hours": null(text("When in the week it may be used, in the time of the place.", pattern=HOURS, maxLength=300, examples=["mon-fri 08:00-17:00"])),
    "up_bits_per_second": null(whole(0, MAX_MINOR, f"Speed from the customer. {SPEED}")),
    "down_bits_per_second": null(whole(0, MAX_MINOR, f"Speed to the customer. {SPEED}")),
    "burst": null(text("Speed, threshold and seconds, each from and to the customer; faster than the speed.", maxLength=100, examples=["4M/8M 1M/3M 10/10"])),
    "fair_use": null(text("Other speeds once so much has been used.", maxLength=300, examples=["5GB 1M/2M, 10GB 512k/1M"])),
    "happy_hours": null(text("Another speed at certain hours.", maxLength=300, examples=["daily 22:00-06:00 at 4M/8M"])),
    "device_limit": whole(1, 100, "Devices that may share it."),
    "device_policy": words("strict", "replace", "ask", description="What becomes of one device too many."),
    "idle_timeout_seconds": null(whole(60, 315_360_000, "Idle time after which a session ends.")),
    "purchases_per_person": null(whole(1, 1_000_000, "How often one person, or one device, may buy it.")),
    "purchases_per_day": null(whole(1, 1_000_000, "How often on one day.")),
    "offered_from": null(said(TIME, "From when on it is offered.")),
    "offered_until": null(said(TIME, "Until when; a moment after the one from which on it is.")),
    "offered_hours": null(text("When in the week it is offered.", pattern=HOURS, maxLength=300, examples=["daily 06:00-18:00"])),
    "site_prices": said(choice(ref("NewSitePrice"), 1000), "Where it costs something else than usual, or is not sold."),
    "texts": ref("NewPackageTexts"),
}
TERMS = {
    "percent": whole(1, 100, "So much of every hundred; or amount."),
    "amount": said(PRICE, "So much, of prices in the same currency; or percent."),
    "code": null(text("What customers type; null: it counts by itself.", pattern="^[A-Z0-9]{3,20}$", examples=["KARIBU24"])),
    "owner": null(said(identity("customer"), "Whose code it is, to be given to friends.")),
    "valid_from": null(TIME),
    "valid_until": null(TIME),
    "hours": null(text("At which hours of the week it counts.", pattern=HOURS, maxLength=300)),
    "first_purchase": flag("For the first purchase of a person only."),
    "every_nth": null(whole(2, 1000, "For every Nth purchase of a person only.")),
    "packages": said(choice(identity("package"), 100), "For these packages only; empty: for all."),
    "sites": said(choice(identity("site"), 100), "At these sites only; empty: at all."),
    "uses_max": null(whole(1, 1_000_000_000)),
    "uses_per_person": null(whole(1, 1_000_000)),
    "stackable": flag("Whether it counts together with others that do so too."),
}
ROUTER = {
    "site": said(identity("site"), "Where it stands."),
    "address": null(text("Address or network that its packets come from; null: by RadSec, from anywhere.", pattern=NETWORK, examples=["10.20.0.2"])),
    "radsec_name": null(text("The name in its client certificate, in lower case.", pattern="^[a-z][a-z0-9-]{0,40}(\\.[a-z][a-z0-9-]{0,20}){0,3}$", examples=["cafe-1.routers.example"])),
    "identifier": line(200, "Its NAS-Identifier."),
    "coa_port": whole(1, 65535),
    "require_message_authenticator": words("auto", "yes", "no"),
    "limit_proxy_state": flag(),
    "require_signed_answers": flag(),
    "keep_on_refused_change": flag("Whether a device stays as it is when the router refuses to change its session."),
    "rest": {"oneOf": [ref("NewRouterRest"), {"type": "null"}], "description": "Access to its REST API; null: none."},
    "hotspot_hosts": choice(text(pattern="^[a-z][a-z0-9-]{0,40}(\\.[a-z][a-z0-9-]{0,20}){0,3}(:[1-9][0-9]{0,3})?$"), 20),
}
SITE = {
    "latitude": null({"type": "number", "minimum": -90, "maximum": 90}),
    "longitude": null({"type": "number", "minimum": -180, "maximum": 180}),
}
ZONE = text("A clock of the IANA database.", minLength=1, maxLength=64, examples=["Africa/Nairobi"])
LIMIT = "How many sessions it can carry at once; null: nobody said."
SESSION_LIMIT = null(whole(1, 1_000_000, LIMIT, examples=[120]))
CUSTOMER_NAME = line_or_empty(200, "What the customer is called.")
URL = text("A public address of https.", format="uri", maxLength=500, examples=["https://hooks.example.org/mlango"])
SERIALS = {"first": whole(1, 1_000_000, "The first serial."), "last": whole(1, 1_000_000, "The last one, not before the first.")}
AGENT = line(100, "Who has the paper; null: the operator.")

OFFER = {"minLength": 1, "maxLength": 600, "pattern": "^[^\\u0000]+$"}
CALENDAR_KIND = words("holiday", "event", "closed")
UNSAID = "a holiday is like a Sunday, a closed place sells nothing, an event changes nothing."

INPUTS = {
    "NewMoney": taken(
        ["amount", "currency"], amount=whole(0, MAX_MINOR, "Minor units: KES 20.00 is 2000."), currency=text(pattern="^[A-Z]{3}$", examples=["KES"]),
    ),
    "NewSite": taken(["name"], name=line(200), **SITE, time_zone=ZONE, session_limit=SESSION_LIMIT),
    "SiteChange": taken(name=line(200), **SITE, time_zone=ZONE, session_limit=SESSION_LIMIT),
    "NewNas": taken(
        ["name"], name=line(200), secret=null(visible(128, "The shared secret; without it the router gets one that nobody knows, until one is made.")), **ROUTER,
        description="A router needs an address or a name for RadSec.",
    ),
    "NasChange": taken(**ROUTER),
    "NewRouterRest": taken(
        ["url", "user", "password"], url=text(format="uri", maxLength=300, examples=["https://10.20.0.2"]),
        user=line(200, "Without a colon."), password=visible(128),
    ),
    "NewSecret": taken(overlap_seconds=null(whole(0, 2_592_000, "How long the secret before counts beside it; a day if not said."))),
    "NewPackage": taken(
        ["slug", "name", "price"], slug=text(pattern="^[a-z0-9][a-z0-9-]{0,62}$", examples=["1-hour"]), name=line(200), price=PRICE, **RULES,
        description="A package needs an end: a duration, an end by the calendar, data, or time online.",
    ),
    "PackageChange": taken(name=line(200), price=PRICE, **RULES),
    "NewSitePrice": taken(["site", "price"], site=text(format="uuid"), price=null(PRICE)),
    "NewPackageTexts": taken(en=null(ref("NewPackageText")), sw=null(ref("NewPackageText"))),
    "NewPackageText": taken(name=null(line(200)), description_=null(line(200))),
    "NewDiscount": {
        **taken(["name"], name=line(200), **TERMS),
        "oneOf": [{"required": ["percent"]}, {"required": ["amount"]}],
    },
    "DiscountChange": {**taken(name=line(200), **TERMS), "not": {"required": ["percent", "amount"]}},
    "NewAudience": taken(
        ["kind"], kind=words("likely", "leaving", description="Whose chance to buy lies in a range, or who seem to stay away."),
        window_days={"type": "integer", "enum": [7, 30], "description": "The chance of how many days is meant; 7 if not said."},
        least_percent=whole(0, 100, "From this chance on; 0 if not said."), most_percent=whole(0, 100, "Up to this one; 100 if not said."),
        site=null(said(identity("site"), "Who usually buys there; null: at any site.")),
        purchases_least=whole(1, 1_000_000, "Of those who stay away: who has bought so often at least; 1 if not said."),
        purchases_most=null(whole(1, 1_000_000, "And so often at most.")),
    ),
    "NewCampaign": {
        **taken(
            ["name", "audience", "text", "text_sw"], name=line(200), audience=ref("NewAudience"),
            discount=said(identity("discount"), "Whose code is told; or new_code, or neither."), new_code=ref("NewCampaignCode"),
            text=text("What is told in English; it names the code.", **OFFER), text_sw=text("The same in Swahili.", **OFFER),
            held_out_percent=whole(5, 50, "How many of a hundred are held out by lot; 20 if not said."),
            days=whole(1, 90, "In how many days purchases are counted; 14 if not said."),
        ),
        "not": {"required": ["discount", "new_code"]},
    },
    "NewCampaignCode": taken(
        ["code", "percent"], "A code for this campaign alone: once a person, as long as purchases are counted.",
        code=text("What customers type.", pattern="^[A-Z0-9]{3,20}$", examples=["RUDI20"]), percent=whole(1, 100),
    ),
    "NewCalendarDay": taken(
        ["kind", "name", "from", "until"], kind=CALENDAR_KIND, name=line(100), site=null(said(identity("site"), "Where; null: at every site.")),
        **{"from": TIME, "until": TIME}, percent=null(whole(0, 1000, f"Hundredths of the usual that are expected; null: {UNSAID}")),
    ),
    "NewHolidays": taken(["year"], year=whole(2000, 2100, "This year or the next.")),
    "NewVoucherBatch": taken(
        ["package", "size"], package=identity("package"), size=whole(1, 1000), agent=null(AGENT), label=null(line_or_empty(200, "What it is printed for.")),
    ),
    "VoucherBatchChange": taken(agent=null(AGENT)),
    "NewSale": taken(["first", "last"], **SERIALS),
    "NewVoid": taken(["first", "last", "reason"], **SERIALS, reason=line(200)),
    "NewCustomer": taken(
        ["phone"], phone=text(pattern=PHONE, examples=["+254712345678"]), name=null(CUSTOMER_NAME), language=null(words("en", "sw")),
    ),
    "CustomerChange": taken(name=CUSTOMER_NAME, language=words("en", "sw")),
    "NewEntitlement": taken(
        ["customer", "package", "login", "password"], customer=identity("customer"), package=identity("package"),
        login=visible(100, "The name to log in with; nobody else may have it."), password=visible(128),
    ),
    "NewAssignment": {
        **taken(
            order=text("Code of the order that it pays for.", pattern=ORDER_CODE), phone=text(pattern=PHONE), package=identity("package"),
            description="The order, or a customer's number (a new customer is added) and a package.",
        ),
        "oneOf": [
            {"required": ["order"], "not": {"anyOf": [{"required": ["phone"]}, {"required": ["package"]}]}},
            {"required": ["phone", "package"], "not": {"required": ["order"]}},
        ],
    },
    "NewReversal": taken(again=null(flag("M-Pesa's statement shows that what was asked before was not done: ask once more."))),
    "NewReturn": taken(["proof"], proof=line(200, "The receipt of the transfer.")),
    "NewIgnore": taken(["reason"], reason=line(300)),
    "NewClosing": taken(["day"], day=text("A day that is over where it was.", pattern=DATE, examples=["2026-11-29"]), site=null(identity("site"))),
    "NewAcknowledgement": taken([], note=null(line(300))),
    "TextChange": taken(
        text=null(text("May name {{ brand }}, {{ package }}, {{ price }}, {{ code }}, {{ until }}, {{ link }} and {{ support }}; null: our own.", minLength=1, maxLength=600, pattern="^[^\\u0000]+$")),
        subject=null(text(minLength=1, maxLength=200, pattern="^[^\\u0000]+$")), off=flag("Whether this kind is not sent, in no language."),
    ),
    "NewWebhookEndpoint": taken(
        ["url", "events"], url=URL, events={**choice(words(*EVENTS), len(EVENTS)), "minItems": 1}, description_=null(line_or_empty(200)),
    ),
    "WebhookEndpointChange": taken(
        url=URL, events={**choice(words(*EVENTS), len(EVENTS)), "minItems": 1}, description_=line_or_empty(200),
        enabled=flag("Whether it is told of what happens."),
    ),
    "NewReplay": taken(["since"], since=TIME),
}
# `description` is a field of these, and a word of the function that made them.
for name in ("NewPackageText", "NewWebhookEndpoint", "WebhookEndpointChange"):
    INPUTS[name]["properties"]["description"] = INPUTS[name]["properties"].pop("description_")

NULL_TEXT = null(text())
NULL_TIME = null(TIME)
NULL_COUNT = null(COUNT)


def endpoint(**more):
    fields = {
        "id": identity("endpoint"), "url": text(), "description": text(), "events": many(words(*EVENTS)), "enabled": flag(),
        "disabled_at": NULL_TIME, "disabled_reason": NULL_TEXT, "old_secret_until": NULL_TIME, "created_by": text(), "created_at": TIME, **more,
    }
    return {"type": "object", "required": list(fields), "properties": fields}


OUTPUTS = {
    "Site": told(
        id=identity("site"), name=text(), latitude=null({"type": "number"}), longitude=null({"type": "number"}), time_zone=text(),
        session_limit=null({"type": "integer", "description": LIMIT}), created_at=TIME,
    ),
    "NasSecret": told(nas=identity("nas"), secret=text("Shown this once."), old_secret_until=NULL_TIME),
    "PackageVersion": told(
        version=COUNT, at=TIME, by=text(), changed=null(many(text())), package=ref("Package"),
    ),
    "Discount": told(
        id=identity("discount"), name=text(), code=NULL_TEXT, percent=null(whole(1, 100)), amount=null(MONEY), owner=null(identity("customer")),
        valid_from=NULL_TIME, valid_until=NULL_TIME, hours=NULL_TEXT, first_purchase=flag(), every_nth=NULL_COUNT, packages=many(identity("package")),
        sites=many(identity("site")), uses_max=NULL_COUNT, uses_per_person=NULL_COUNT, stackable=flag(), uses=COUNT,
    ),
    "Campaign": told(
        id=identity("campaign"), name=text(), code=NULL_TEXT, text=text(), text_sw=text(), audience=ref("Audience"), held_out_percent=COUNT,
        state=words("sending", "sent", "stopped"), to_tell=COUNT, told=COUNT, held_out=COUNT, measured_until=said(TIME, "Until when purchases are counted."),
        created_by=text(), created_at=TIME, stopped_by=NULL_TEXT,
    ),
    "Audience": told(
        kind=words("likely", "leaving"), window_days=COUNT, least_percent={"type": "number"}, most_percent={"type": "number"}, site=null(identity("site")),
        purchases_least=COUNT, purchases_most=NULL_COUNT,
    ),
    "CampaignReach": told(
        all=COUNT, willing=said(COUNT, "Of them, who said yes to offers."), free=said(COUNT, "Of these, who is in no other campaign that is still measured."),
    ),
    "CampaignOutcome": told(
        told=ref("CampaignArm"), held_out=ref("CampaignArm"), is_counting=flag("Whether purchases are still counted."),
        difference_points=null({"type": "number", "description": "How many more of a hundred bought of the told; null: nobody is on one side."}),
        low_points=null({"type": "number", "description": "The lower end of its 95 % interval (Newcombe)."}), high_points=null({"type": "number"}),
    ),
    "CampaignArm": told(people=COUNT, bought=COUNT, spent=many(MONEY)),
    "CalendarDay": told(
        id=identity("calendar_day"), kind=CALENDAR_KIND, name=text(), site=null(identity("site")), **{"from": TIME, "until": TIME},
        percent=null({"type": "number", "description": f"Hundredths of the usual that are expected; null: {UNSAID}"}), created_by=text(),
    ),
    "HolidaysAdded": told(year=COUNT, added=said(COUNT, "Those that were not there already.")),
    "VoucherBatch": told(
        id=identity("voucher_batch"), number=COUNT, package=text("The package's name, as the paper says."), price=MONEY, label=text(), agent=NULL_TEXT,
        size=COUNT, printed=COUNT, sold=COUNT, redeemed=COUNT, void=COUNT, created_by=text(), created_at=TIME,
    ),
    "Voucher": told(
        id=identity("voucher"), serial=COUNT, state=words("printed", "sold", "redeemed", "void"), sold_at=NULL_TIME, sold_by=NULL_TEXT,
        redeemed_at=NULL_TIME, redeemed_mac=null(text(pattern=MAC)), voided_at=NULL_TIME, voided_by=NULL_TEXT, void_reason=NULL_TEXT,
    ),
    "VoucherCode": told(
        id=identity("voucher"), serial=COUNT, code=text("Whoever knows it can use it."), state=words("printed", "sold", "redeemed", "void"),
    ),
    "Changed": told(changed=said(COUNT, "How many were changed; what was so already is not among them.")),
    "Customer": told(
        id=identity("customer"), phone=text(pattern=PHONE_TOLD), name=text(), status=words("active", "suspended"), language=text(), proved_at=NULL_TIME,
        created_at=TIME,
    ),
    "Device": told(mac=text(pattern=MAC), label=text(), bound_at=TIME),
    "BoundDevice": told(mac=text(pattern=MAC), bound_at=TIME, online=flag()),
    "Entitlement": told(
        id=identity("entitlement"), customer=null(identity("customer")), order=null(identity("order")), package=null(identity("package")),
        package_name=text(), state=words("active", "exhausted", "expired", "revoked"), starts_at=NULL_TIME, expires_at=NULL_TIME, quota_bytes=NULL_COUNT,
        quota_seconds=NULL_COUNT, used_up_bytes=COUNT, used_down_bytes=COUNT, used_seconds=COUNT, device_limit=COUNT, created_at=TIME,
    ),
    "Order": told(
        id=identity("order"), code=text(pattern=ORDER_CODE), state=words("created", "prompted", "unknown", "confirming", "paid", "failed", "refund_due"),
        reason=text("Why it failed, as the provider's code; empty otherwise."), customer=identity("customer"), phone=text(pattern=PHONE_TOLD),
        package=identity("package"), package_name=text(), package_version=NULL_COUNT, amount=MONEY,
        full_amount=said(null(MONEY), "The price before discounts, where there were some."), mac=null(text(pattern=MAC)), nas=null(identity("nas")),
        entitlement=null(identity("entitlement")), created_at=TIME, paid_at=NULL_TIME,
    ),
    "Refund": told(
        id=identity("refund"), payment=identity("payment"), amount=MONEY, state=words("created", "unknown", "pending", "done", "failed", "refused"),
        reference=NULL_TEXT, reason=text(), asked_by=text(), created_at=TIME,
    ),
    "ReceivedMoney": told(
        provider=words("mpesa", "stripe", "bank", description="Who has it. Of stripe and bank only a statement told, and only a person can give it back."),
        receipt=text(pattern=RECEIPT), amount=MONEY, payer_name=text(), payer_number=text("As M-Pesa tells it: it may be masked or hashed."),
        account=text("What was typed as account number; what the statement says."), at=TIME, confirmed=flag(), state=words("unmatched", "matched", "assigned", "refunded"),
        order=NULL_TEXT, rest=said(null(MONEY), "What it was more than the price: owed to the customer."), decided_by=NULL_TEXT, given_back_at=NULL_TIME,
        given_back_proof=NULL_TEXT, ignored=null(ref("Ignored")),
    ),
    "Ignored": told(at=TIME, by=text(), reason=text()),
    "Assignment": told(receipt=text(pattern=RECEIPT), order=text(pattern=ORDER_CODE), rest=null(MONEY), entitlement=identity("entitlement")),
    "Reversal": told(
        receipt=text(pattern=RECEIPT), amount=MONEY,
        state=words("asked", "unknown", description="asked: M-Pesa took it, and answers later. unknown: look at its statement before you ask again."), detail=NULL_TEXT,
    ),
    "Outage": told(
        id=identity("outage"), nas=text(), site=NULL_TEXT, cause=words("silent", "no_traffic"), started_at=TIME, ended_at=NULL_TIME, customers=COUNT,
        given_back=null(ref("GiveBack")),
    ),
    "GiveBack": told(at=TIME, by=text(), customers=COUNT, seconds=said(COUNT, "Of all customers together.")),
    "Alert": told(
        id=identity("alert"), kind=text("Which rule raised it, such as router_silent."), subject=text("What it is about, within the kind."),
        site=null(identity("site")), severity=words("info", "warning", "critical"), state=words("open", "acknowledged", "resolved"),
        title=text("What is wrong, in a sentence."), lines=many(text()), count=said(COUNT, "How often it was raised."), first_seen_at=TIME,
        last_seen_at=TIME, acknowledged_at=NULL_TIME, acknowledged_by=NULL_TEXT, note=text(), resolved_at=NULL_TIME,
    ),
    "BookDay": told(
        "A day that is closed at a place; without a site: of what belongs to none.", day=DAY_TOLD, site=null(identity("site")), site_name=NULL_TEXT,
        closed_at=TIME, closed_by=text(), documents=many(ref("BookSummary")),
    ),
    "BookSummary": told(
        number=text(pattern=NUMBER), method=METHOD, sales=said(MONEY, "With the tax in it."), refunds=said(MONEY, "Given back, and sales of vouchers undone."),
        fees=said(MONEY, "What the provider kept; below zero: it gave more back."), tax=said(MONEY, "In what was sold, less that in what is owed back."),
    ),
    "BookDocument": told(
        number=text(pattern=NUMBER), day=DAY_TOLD, site=null(identity("site")), site_name=NULL_TEXT, time_zone=text("By whose clock the day was one."),
        method=METHOD, currency=text(pattern="^[A-Z]{3}$"), closed_at=TIME, closed_by=text(), lines=many(ref("BookLine")), entries=many(ref("BookEntry")),
    ),
    "BookLine": told(
        "What came is above zero, what went below.", position={"type": "integer", "minimum": 1},
        kind=words("sale", "voucher_sold", "voucher_used", "voucher_undone", "refund", "fee", "other"),
        account=text("The account that stands against the money."), package=null(identity("package")), description_=text(), quantity=COUNT,
        list=said(MONEY, "At the price of the list."), discount=said(MONEY, "What discounts took of that."), gross=said(MONEY, "What is left, tax included."),
        tax_letter=null(text(pattern="^[A-Z]$")), tax_rate=null(whole(0, 10000, "Hundredths of a percent.")), tax=MONEY, agent=NULL_TEXT,
    ),
    "BookEntry": told(account=text(), name=text(), debit=MONEY, credit=MONEY),
    "ClosedDay": told(
        day=DAY_TOLD, site=null(identity("site")), documents=many(text(pattern=NUMBER)), is_new=flag("False: it was closed before, and this is what was made then."),
    ),
    "LedgerAccount": told(
        code=text(), name=text(), kind=words("asset", "liability", "income", "expense"), balance=said(null(MONEY), "Debits less credits."),
    ),
    "LedgerTransaction": told(
        id=identity("transaction"), key=text("The event that it books, once."), order=null(identity("order")), description_=text(), posted_at=TIME,
        entries=many(ref("LedgerEntry")),
    ),
    "LedgerEntry": told(account=text(), amount=said(MONEY, "Debits positive, credits negative.")),
    "Notification": told(
        id=identity("notification"), customer=identity("customer"), name=text(),
        state=words("pending", "sent", "delivered", "undelivered", "failed", "expired", "skipped"), detail=text(), channel=null(words("sms", "email")),
        provider=NULL_TEXT, segments=NULL_COUNT, cost=null(MONEY), created_at=TIME, sent_at=NULL_TIME,
    ),
    "Text": told(
        name=words(*NOTICES), language=words("en", "sw"), text=text(), subject=text(), is_own=flag("Whether the operator has worded it."),
        off=flag("Whether this kind is not sent."), sample=text("What a customer would read."), segments=said(COUNT, "What that is sent as by SMS; 0: it cannot be."),
    ),
    "SecurityEvent": told(
        id=identity("security_event"), at=TIME, kind=text(), nas=NULL_TEXT, mac=null(text(pattern=MAC)), user_name=NULL_TEXT, detail=text(),
    ),
    "AuditLine": told(
        number=COUNT, at=TIME, actor=text(), action=text(), object=text(), address=NULL_TEXT, hash=text("SHA-256 of the line and of the hash before.", pattern="^[0-9a-f]{64}$"),
    ),
    "WebhookEndpoint": endpoint(),
    "NewlyMadeWebhookEndpoint_": endpoint(secret=text("Shown this once.", pattern="^whsec_[A-Za-z0-9+/]+=*$")),
    "WebhookSecret": told(endpoint=identity("endpoint"), secret=text("Shown this once.", pattern="^whsec_[A-Za-z0-9+/]+=*$"), old_secret_until=TIME),
    "WebhookDelivery": told(
        id=identity("delivery"), event=identity("event"), type=words(*EVENTS), state=words("pending", "delivered", "failed"), attempts=COUNT,
        next_attempt_at=NULL_TIME, status=null({"type": "integer"}), detail=text(), created_at=TIME, updated_at=TIME,
    ),
    "WebhookReplay": told(endpoint=identity("endpoint"), events=COUNT),
    "WebhookEvent": told(id=identity("event"), type=words(*EVENTS), at=TIME, data={"type": "object"}),
}
OUTPUTS["WebhookEndpointWithSecret"] = OUTPUTS.pop("NewlyMadeWebhookEndpoint_")
for thing in ("LedgerTransaction", "BookLine"):
    fields = OUTPUTS[thing]
    fields["properties"]["description"] = fields["properties"].pop("description_")
    fields["required"] = ["description" if name == "description_" else name for name in fields["required"]]

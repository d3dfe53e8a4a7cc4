# shellcheck shell=bash
# What is written for people and programs: generated secrets, .mlango/config.toml and .mlango/env.
#
# A secret is made once and kept (mode 0600) until its file is removed; config.toml and env are written
# anew at each start, since ports may differ. Both are for this checkout alone: a deployment writes its
# own configuration, and its own overrides work here too (MLANGO__SECTION__KEY in the environment).

readonly ADMIN_EMAIL=admin@mlango.local
readonly DEMO_SITE="Demo Café"
# The paybill number that the simulator answers for.
readonly DEMO_SHORTCODE=174379

SECRETS=$STATE/secrets
CONFIG=$STATE/config.toml
ENV_FILE=$STATE/env

# Whether PostgreSQL is ours to run. Our own URL may come back through an exported .mlango/env.
private_postgres() {
    [[ -z ${DATABASE_URL:-} || ${DATABASE_URL} == "$(private_database_url)" ]]
}

private_redis() {
    [[ -z ${REDIS_URL:-} || ${REDIS_URL} == "$(private_redis_url)" ]]
}

# A URL-safe secret of 256 random bits, without a newline, as every reader of it wants. Some providers' secrets begin with a
# word that says what they are.
make_secret() { # NAME [BEGINNING]
    [[ -s $SECRETS/$1 ]] || { printf '%s' "${2:-}" && head -c 32 /dev/urandom | base64 -w 0 | tr '+/' '-_' | tr -d '='; } | keep_secret "$1"
}

# Keeps standard input as a secret; complete or not at all.
keep_secret() { # NAME
    (umask 077 && cat >"$SECRETS/$1.new" && mv "$SECRETS/$1.new" "$SECRETS/$1")
}

make_secrets() {
    mkdir -p -m 700 "$SECRETS"
    [[ -s $SECRETS/seal.key ]] || head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' | keep_secret seal.key
    make_secret admin.password
    make_secret radius.secret
}

make_demo_secrets() {
    make_secret demo-router.secret
    make_mpesa_secrets
    make_secret sms.api_key
    make_secret stripe.secret_key sk_test_
    make_secret stripe.webhook_secret whsec_
}

make_mpesa_secrets() {
    make_secret daraja.consumer_key
    make_secret daraja.consumer_secret
    make_secret daraja.passkey
}

# Where the token of this database is kept: one made for another database would be worth nothing here.
api_token_name() {
    printf 'api.token.%s' "$(printf '%s' "$DATABASE_URL" | sha256sum | cut -c1-8)"
}

write_config() { # DEMO?
    {
        cat <<TOML
# Written by ./mlango up, anew at each start: change nothing here. Settings of your own go into the
# environment as MLANGO__SECTION__KEY.
[database]
write = $(toml_string "$DATABASE_URL")

[redis]
url = $(toml_string "$REDIS_URL")

[secrets]
seal_key_file = $(toml_string "$SECRETS/seal.key")

[radius]
auth_listen = ["0.0.0.0:$AUTH_PORT"]
acct_listen = ["0.0.0.0:$ACCT_PORT"]
admin_listen = "127.0.0.1:$ADMIN_PORT"

[accounting]
spool = $(toml_string "$STATE/spool")

[portal]
listen = "0.0.0.0:$PORTAL_PORT"
metrics_listen = "127.0.0.1:$METRICS_PORT"
public_url = "$(portal_url)"
TOML
        [[ -z $1 ]] || demo_config
    } >"$CONFIG.new"
    chmod 600 "$CONFIG.new"
    mv "$CONFIG.new" "$CONFIG"
}

demo_config() {
    mpesa_config
    cat <<TOML

# The SMS simulator.
[sms.africastalking]
username = "mlango"
api_key_file = $(toml_string "$SECRETS/sms.api_key")
base_url = "$(sms_url)"

# The Stripe simulator. A card is offered for every price, since it costs nothing here.
[stripe]
secret_key_file = $(toml_string "$SECRETS/stripe.secret_key")
webhook_secret_file = $(toml_string "$SECRETS/stripe.webhook_secret")
base_url = "$(stripe_url)"
minimum = { kes = 100 }
TOML
}

mpesa_config() {
    cat <<TOML

# The M-Pesa simulator.
[mpesa]
base_url = "$(daraja_url)"
consumer_key_file = $(toml_string "$SECRETS/daraja.consumer_key")
consumer_secret_file = $(toml_string "$SECRETS/daraja.consumer_secret")
passkey_file = $(toml_string "$SECRETS/daraja.passkey")
shortcode = "$DEMO_SHORTCODE"
transaction_type = "CustomerPayBillOnline"
callback_base_url = "$(portal_url)"
# The simulator reports from this machine, which is not among M-Pesa's addresses.
source_check = "off"
TOML
}

# Everything that a person or a script needs to talk to what runs; `. .mlango/env` reads it.
write_env() { # DEMO?
    {
        env_line PORTAL_URL "$(portal_url)"
        env_line RADIUS_HOST 127.0.0.1
        env_line RADIUS_AUTH_PORT "$AUTH_PORT"
        env_line RADIUS_ACCT_PORT "$ACCT_PORT"
        env_line RADIUS_SECRET "$(<"$SECRETS/radius.secret")"
        env_line RADIUSD_ADMIN_URL "http://127.0.0.1:$ADMIN_PORT"
        env_line DATABASE_URL "$DATABASE_URL"
        env_line REDIS_URL "$REDIS_URL"
        env_line API_TOKEN "$(<"$SECRETS/$(api_token_name)")"
        env_line ADMIN_EMAIL "$ADMIN_EMAIL"
        env_line ADMIN_PASSWORD "$(<"$SECRETS/admin.password")"
        if [[ -n $1 ]]; then
            env_line DEMO_USER "$DEMO_USER"
            env_line DEMO_PASSWORD "$(<"$SECRETS/demo.password")"
            env_line DEMO_JOIN_URL "$(join_url)"
            env_line DARAJA_SIM_URL "$(daraja_url)"
            env_line SMS_SIM_URL "$(sms_url)"
            env_line STRIPE_SIM_URL "$(stripe_url)"
        fi
    } >"$ENV_FILE.new"
    chmod 600 "$ENV_FILE.new"
    mv "$ENV_FILE.new" "$ENV_FILE"
}

env_line() {
    printf "%s='%s'\n" "$1" "${2//\'/\'\\\'\'}"
}

# A basic string of TOML.
toml_string() {
    local text=${1//\\/\\\\}
    printf '"%s"' "${text//\"/\\\"}"
}

portal_url() {
    printf 'http://127.0.0.1:%s' "$PORTAL_PORT"
}

daraja_url() {
    printf 'http://127.0.0.1:%s' "$DARAJA_PORT"
}

sms_url() {
    printf 'http://127.0.0.1:%s' "$SMS_PORT"
}

stripe_url() {
    printf 'http://127.0.0.1:%s' "$STRIPE_PORT"
}

join_url() {
    printf 'http://%s:%s/' "$ROUTER_ADDRESS" "$ROUTER_PORT"
}

# What is running and where, for people.
summary() { # DEMO?
    cat <<TEXT

  Portal          $(portal_url)
  Admin sign-in   $(portal_url)/admin as $ADMIN_EMAIL; the password is ADMIN_PASSWORD in .mlango/env; the first sign-in sets up a second factor
  RADIUS          port $AUTH_PORT (authentication) and $ACCT_PORT (accounting); the secret for 127.0.0.1 is RADIUS_SECRET
  Health          http://127.0.0.1:$ADMIN_PORT/readyz and http://127.0.0.1:$METRICS_PORT/readyz
TEXT
    if [[ -n $1 ]]; then
        cat <<TEXT
  Join and pay    $(join_url)
  SMS that came   $(sms_url)
  Card payments   $(stripe_url)
  Try a login     . .mlango/env && echo "User-Name=\$DEMO_USER,User-Password=\$DEMO_PASSWORD" | radclient -x "\$RADIUS_HOST:\$RADIUS_AUTH_PORT" auth "\$RADIUS_SECRET"

TEXT
    else
        cat <<TEXT
  Ask it          . .mlango/env && echo "Message-Authenticator=0x00" | radclient -x "\$RADIUS_HOST:\$RADIUS_AUTH_PORT" status "\$RADIUS_SECRET"

TEXT
    fi
}

# shellcheck shell=bash
# The demo: a simulated hotspot router with guests, an M-Pesa and a Stripe that take no money, and phones that get SMS.
#
# The simulators come from the tests. The router has a loopback address of its own, so that radiusd
# knows it by its source address as it knows a real one, and sends Disconnect-Requests there.

readonly DEMO_GUESTS_DEFAULT=12
# How long a customer of the simulated M-Pesa takes to enter the PIN, milliseconds.
readonly DEMO_PIN_DELAY_MS=3000

choose_demo_addresses() {
    choose_router_address
    choose_port ROUTER_PORT "the simulated router's pages" tcp "$ROUTER_ADDRESS" 8090
    choose_port DARAJA_PORT "the M-Pesa simulator" tcp 127.0.0.1 8091
    choose_port SMS_PORT "the SMS simulator" tcp 127.0.0.1 8092
    choose_port STRIPE_PORT "the Stripe simulator" tcp 127.0.0.1 8093
}

# A site, packages and a login from the portal; the simulated router as one of its routers.
prepare_demo() {
    portal demo --json
    DEMO_USER=$(json_field user <"$LOG/portal-command.log")
    json_field password <"$LOG/portal-command.log" | tr -d '\n' | keep_secret demo.password
    [[ -n $DEMO_USER && -s $SECRETS/demo.password ]] || fail "portal demo did not print a user and a password; see .mlango/log/portal-command.log."
    portal nas add --name "Demo router" --address "$ROUTER_ADDRESS/32" --identifier demo-router --site "$DEMO_SITE" \
        --coa-port "$COA_PORT" --hotspot-host "$ROUTER_ADDRESS:$ROUTER_PORT" --secret-stdin <"$SECRETS/demo-router.secret"
}

start_demo() {
    start_child daraja-sim TERM '' "$BIN/daraja-sim" --listen "127.0.0.1:$DARAJA_PORT" \
        --consumer-key-file "$SECRETS/daraja.consumer_key" --consumer-secret-file "$SECRETS/daraja.consumer_secret" \
        --passkey-file "$SECRETS/daraja.passkey" --delay-ms "$DEMO_PIN_DELAY_MS"
    start_child stripe-sim TERM '' "$BIN/stripe-sim" --listen "127.0.0.1:$STRIPE_PORT" \
        --secret-key-file "$SECRETS/stripe.secret_key" --webhook-secret-file "$SECRETS/stripe.webhook_secret" \
        --webhook-url "$(portal_url)/webhooks/stripe"
    start_child sms-sim TERM '' "$BIN/sms-sim" --listen "127.0.0.1:$SMS_PORT" --api-key-file "$SECRETS/sms.api_key"
    start_child nas-sim TERM '' "$BIN/nas-sim" --bind "$ROUTER_ADDRESS" --http-port "$ROUTER_PORT" --coa-port "$COA_PORT" \
        --identity demo-router --auth "127.0.0.1:$AUTH_PORT" --acct "127.0.0.1:$ACCT_PORT" \
        --secret-file "$SECRETS/demo-router.secret" --portal-url "$(portal_url)" \
        --timeout-ms 1100 --guests "${MLANGO_DEMO_GUESTS:-$DEMO_GUESTS_DEFAULT}" --guest-login "$DEMO_USER" --guest-password-file "$SECRETS/demo.password"
    await daraja-sim 20 "listen on port $DARAJA_PORT" listens "$(daraja_url)/"
    await stripe-sim 20 "listen on port $STRIPE_PORT" listens "$(stripe_url)/"
    await sms-sim 20 "listen on port $SMS_PORT" listens "$(sms_url)/"
    await nas-sim 20 "listen on $ROUTER_ADDRESS:$ROUTER_PORT" listens "$(join_url)"
}

# Whether anything speaks HTTP there, whatever it answers.
listens() {
    curl --silent --noproxy '*' --max-time 3 --output /dev/null "$1"
}

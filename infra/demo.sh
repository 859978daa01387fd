#!/usr/bin/env bash
# Deploys the template to an emulator of AWS on this machine, beside a simulated Microsoft 365, and
# leaves both up until Ctrl-C. The deployment is that of `make deploy`; only the endpoint differs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

port=${AWS_PORT:-4566}
sim=${SIM_PORT:-9090}
state=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$state"' EXIT

# The emulator's own files, and none of this shell's credentials.
env -i PATH=/usr/bin:/bin HOME="$state" TMPDIR="$state" BIND_HOST=127.0.0.1 GATEWAY_PORT="$port" \
    IOT_MTLS_ENABLED=0 MINISTACK_REGION=us-east-1 \
    .tools/emulator/bin/ministack >"$state/emulator.log" 2>&1 &
target/debug/partner-warden sim --listen "127.0.0.1:$sim" >"$state/sim.log" 2>&1 &
until curl --silent --fail --output /dev/null "http://127.0.0.1:$port/_ministack/health" &&
    curl --silent --fail --output /dev/null "http://127.0.0.1:$sim/sim/state"; do
    if [[ $(jobs -rp | wc -l) -lt 2 ]]; then
        cat "$state"/*.log >&2
        exit 1
    fi
    sleep 0.2
done

export AWS_ENDPOINT_URL=http://127.0.0.1:$port AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test SAM_CLI_TELEMETRY=0
unset AWS_PROFILE AWS_SESSION_TOKEN

cat >"$state/policy.yaml" <<POLICY
version: 1
mode: enforce
tenants:
  - id: 11111111-1111-1111-1111-111111111111
    name: Woodgrove
    partners:
      - id: 22222222-2222-2222-2222-222222222222
        name: Contoso Reseller
        domains: [contoso-reseller.example]
        allow: {roles: [Directory Readers, Service Support Administrator]}
respond:
  privileged-role: {do: revoke, ticket: security}
  role-not-allowed: {do: revoke, ticket: security}
guardrails: {protected: [breakglass@woodgrove.example]}
tickets:
  security: {kind: webhook, url: "http://127.0.0.1:$sim/inbox/security"}
POLICY
secret=$(sed -n 's/^graphClientSecret: \([^ ]*\).*/\1/p' "$state/sim.log")
client=$(sed -n 's/^WARDEN_CLIENT_ID=//p' "$state/sim.log")
# The key that the simulated inbox knows.
inbox=whsec_d29vZGdyb3ZlLXNpbXVsYXRlZC1pbmJveC1rZXkhISE=
.tools/infra/bin/python infra/prepare.py "$secret" "security=$inbox"
.tools/infra/bin/sam deploy --template-file infra/template.yaml --stack-name partner-warden \
    --resolve-s3 --capabilities CAPABILITY_IAM --no-progressbar --parameter-overrides \
    Architecture="$(uname -m)" ClientId="$client" EndpointUrl="$AWS_ENDPOINT_URL" \
    GraphUrl="http://127.0.0.1:$sim" LoginUrl="http://127.0.0.1:$sim" PolicyKey="$state/policy.yaml" \
    >"$state/deploy.log" 2>&1 || { cat "$state/deploy.log" >&2; exit 1; }

cat <<READY

The stack partner-warden is up on an emulator at $AWS_ENDPOINT_URL; a simulated Microsoft 365 is at
http://127.0.0.1:$sim. In another terminal:

  export AWS_ENDPOINT_URL=$AWS_ENDPOINT_URL AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
  curl -s http://127.0.0.1:$sim/sim/state          # who holds which role: Contoso's group is Global Administrator
  make invoke EVENT=events/audit/add-member-to-role.json TENANT=11111111-1111-1111-1111-111111111111
  curl -s http://127.0.0.1:$sim/sim/state          # a second later that role is gone
  curl -s http://127.0.0.1:$sim/inbox              # and the ticket tells of it

Ctrl-C here takes it all down.
READY
if [[ ${1:-} == --once ]]; then
    before=$(curl --silent "http://127.0.0.1:$sim/sim/state" | grep -c '"AdminAgents"' || true)
    .tools/infra/bin/python infra/stack.py partner-warden invoke events/audit/add-member-to-role.json \
        --tenant 11111111-1111-1111-1111-111111111111
    for _ in $(seq 150); do
        if curl --silent "http://127.0.0.1:$sim/inbox" | grep -q 'ticket.closed'; then
            echo "The role is gone and the ticket closed."
            exit 0
        fi
        sleep 0.2
    done
    echo "the ticket was not closed in 30 seconds (roles of AdminAgents before: $before)" >&2
    cat "$state/emulator.log" >&2
    exit 1
fi
wait

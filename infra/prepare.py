#!/usr/bin/env python3
"""Makes the two secrets that the template is told the names of, as docs/aws.md describes.

  prepare.py GRAPH_CLIENT_SECRET SINK[.NAME]=SECRET …

SINK.NAME is what the sink's page calls tickets.SINK.NAME; NAME is `secret` unless it is said. The keys
of senders are made up; `make invoke` reads them where the functions do. A secret that is there already
is left as it is.
"""
import base64
import json
import secrets
import sys

import boto3


def key() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def create(name: str, document: dict) -> None:
    client = boto3.client("secretsmanager")
    try:
        client.create_secret(Name=name, SecretString=json.dumps(document))
        print(f"made {name}")
    except client.exceptions.ResourceExistsException:
        print(f"{name} is there already")


if len(sys.argv) < 2 or any("=" not in sink for sink in sys.argv[2:]):
    sys.exit(__doc__)
door, graph = {}, {}
for sink in sys.argv[2:]:
    place, secret = sink.split("=", 1)
    sink, _, name = place.partition(".")
    # What ticket systems call back with is proven at the door.
    document = door if name.startswith("callbackSecret") else graph
    document.setdefault(sink, {})[name or "secret"] = secret
create("partner-warden/door", {
    "clientStateKey": secrets.token_urlsafe(48),
    "auditWebhookSecret": key(),
    "decisionKey": secrets.token_urlsafe(48),
    **({"tickets": door} if door else {}),
})
create("partner-warden/graph", {
    "graphClientSecret": sys.argv[1],
    "tickets": graph,
})

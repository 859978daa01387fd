#!/usr/bin/env python3
"""What is done with a deployed stack beside deploying it.

  stack.py STACK invoke EVENT   sends an event of events/ the way its sender would
  stack.py STACK redrive        puts the dead letters back into the work queue
  stack.py STACK dead           shows the dead letters' reasons
  stack.py STACK url            tells where senders post

Credentials and region are AWS's own (AWS_PROFILE, AWS_REGION); AWS_ENDPOINT_URL for an emulator.
"""
import argparse
import base64
import hashlib
import hmac
import json
import os
import pathlib
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import boto3
from botocore.exceptions import ClientError

# What an answer says that does not know the operation: an emulator's.
UNKNOWN = ("InvalidAction", "UnknownOperationException", "UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation")


class Stack:
    def __init__(self, name: str):
        self.name = name
        found = boto3.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        self.outputs = {o["OutputKey"]: o["OutputValue"] for o in found.get("Outputs", [])}
        self.parameters = {p["ParameterKey"]: p["ParameterValue"] for p in found.get("Parameters", [])}

    def secret(self) -> dict:
        name = self.parameters.get("DoorSecret", "partner-warden/door")
        return json.loads(boto3.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"])

    def request(self, path: str, body: bytes, headers: dict) -> None:
        url = urllib.parse.urljoin(self.outputs["Url"], path)
        headers = {"content-type": "application/json", **headers}
        emulator = os.environ.get("AWS_ENDPOINT_URL")
        if emulator:
            # An emulator tells functions apart by the host that is asked for.
            headers["host"] = urllib.parse.urlsplit(url).netloc
            url = urllib.parse.urljoin(emulator, path)
        request = urllib.request.Request(url, body, headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                print(answer.status, answer.read().decode(errors="replace"))
        except urllib.error.HTTPError as error:
            print(error.code, error.read().decode(errors="replace"))
            sys.exit(1)

    def invoke(self, path: pathlib.Path, tenant: str | None) -> None:
        kind, text = path.parent.name, path.read_text()
        if kind == "audit":
            where = "/hooks/audit" + (f"?tenant={tenant}" if tenant else "")
            self.request(where, text.encode(), self.signed(text.encode()))
        elif kind == "graph":
            items = json.loads(text)
            for item in items.get("value", []):
                item["clientState"] = self.client_state(item["tenantId"])
            self.request("/hooks/graph", json.dumps(items).encode(), {})
        elif kind == "o365":
            self.request("/hooks/o365", text.encode(), {"webhook-authid": self.secret()["o365AuthId"]})
        elif kind == "queue":
            work = json.loads(text)
            group = work.get("due") or work["signal"]["tenant"]
            sent = boto3.client("sqs").send_message(
                QueueUrl=self.outputs["WorkQueue"], MessageBody=text, MessageGroupId=group,
                MessageDeduplicationId=str(time.time_ns()))
            print(sent["MessageId"])
        elif kind == "schedule":
            answer = boto3.client("lambda").invoke(FunctionName=f"{self.name}-sweep", Payload=text.encode())
            print(answer["StatusCode"], answer["Payload"].read().decode(errors="replace"))
            if "FunctionError" in answer:
                sys.exit(1)
        else:
            sys.exit(f"{path}: send events of events/audit, graph, o365, queue or schedule")

    def signed(self, body: bytes) -> dict:
        """Standard Webhooks."""
        key = base64.b64decode(self.secret()["auditWebhookSecret"].removeprefix("whsec_"))
        name, at = f"invoke-{time.time_ns()}", str(int(time.time()))
        digest = hmac.new(key, f"{name}.{at}.".encode() + body, hashlib.sha256).digest()
        return {"webhook-id": name, "webhook-timestamp": at,
                "webhook-signature": "v1," + base64.b64encode(digest).decode()}

    def client_state(self, tenant: str) -> str:
        text = "partner-warden/client-state/v1\n" + tenant.lower()
        digest = hmac.new(self.secret()["clientStateKey"].encode(), text.encode(), hashlib.sha256).digest()
        return "v1." + base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def letters(self, seconds: int):
        """The dead letters, each hidden from others for some seconds."""
        sqs = boto3.client("sqs")
        while True:
            got = sqs.receive_message(
                QueueUrl=self.outputs["DeadLetters"], MaxNumberOfMessages=10, VisibilityTimeout=seconds,
                MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"])
            if not got.get("Messages"):
                return
            yield from got["Messages"]

    def dead(self) -> None:
        for letter in self.letters(seconds=5):
            reason = letter.get("MessageAttributes", {}).get("reason", {}).get("StringValue")
            group = letter["Attributes"]["MessageGroupId"]
            print(f"{letter['MessageId']}  tenant {group}  {reason or 'tried too often; see the log of the worker'}")

    def redrive(self) -> None:
        sqs = boto3.client("sqs")
        try:
            task = sqs.start_message_move_task(
                SourceArn=self.outputs["DeadLettersArn"], DestinationArn=self.outputs["WorkQueueArn"])
            print(f"SQS moves the dead letters back; task {task['TaskHandle'][:16]}…")
            return
        except ClientError as error:
            if error.response["Error"]["Code"] not in UNKNOWN:
                raise
        # Without that operation: put back first, then taken away, so that none is lost.
        moved = 0
        for letter in self.letters(seconds=60):
            sqs.send_message(
                QueueUrl=self.outputs["WorkQueue"], MessageBody=letter["Body"],
                MessageGroupId=letter["Attributes"]["MessageGroupId"],
                MessageDeduplicationId=f"redriven-{letter['MessageId']}")
            sqs.delete_message(QueueUrl=self.outputs["DeadLetters"], ReceiptHandle=letter["ReceiptHandle"])
            moved += 1
        print(f"{moved} put back")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stack")
    commands = parser.add_subparsers(dest="command", required=True)
    invoke = commands.add_parser("invoke")
    invoke.add_argument("event", type=pathlib.Path)
    invoke.add_argument("--tenant", help="the tenant of an audit event that names none")
    for name in ("redrive", "dead", "url"):
        commands.add_parser(name)
    args = parser.parse_args()
    stack = Stack(args.stack)
    if args.command == "invoke":
        stack.invoke(args.event, args.tenant)
    elif args.command == "redrive":
        stack.redrive()
    elif args.command == "dead":
        stack.dead()
    else:
        print(stack.outputs["Url"])


if __name__ == "__main__":
    main()

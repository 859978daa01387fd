#!/usr/bin/env python3
"""Prints the template as CloudFormation gets it, after the transformation that SAM stands for."""
import json
import os
import pathlib
import sys

os.environ.setdefault("AWS_DEFAULT_REGION", "eu-west-1")

from samtranslator.translator.transform import transform  # noqa: E402
from samtranslator.yaml_helper import yaml_parse  # noqa: E402


class NoManagedPolicies:
    """The template names none: each role has its own statements."""

    def load(self) -> dict:
        return {}


template = yaml_parse((pathlib.Path(__file__).parent / "template.yaml").read_text())
for function in template["Resources"].values():
    if function["Type"] == "AWS::Serverless::Function":
        function["Properties"]["CodeUri"] = "s3://code/function.zip"
json.dump(transform(template, {}, NoManagedPolicies()), sys.stdout, indent=1)

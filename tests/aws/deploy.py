"""Deploys the project's rendered templates with programs that are built already, to an emulator or to an account.

`package` makes copies of the templates that name the built programs, `deploy` and `sam_deploy` bring them up and say what
changed, `outputs` and `parts` say what came of it. Where it deploys to is told by the environment alone, as for any tool of AWS.
"""

import functools
import hashlib
import io
import json
import os
import pathlib
import subprocess
import time
import uuid
import zipfile

import boto3
import yaml

CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
NESTED = "AWS::Serverless::Application"
FUNCTION = "AWS::Serverless::Function"
LAYER = "AWS::Serverless::LayerVersion"
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
ROOT = pathlib.Path(__file__).resolve().parents[2]

# Buckets and keys of what this process has uploaded. A key tells the content.
_UPLOADED = set()


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """YAML with the short forms of CloudFormation's functions, which become the long ones."""


def _function(loader, suffix, node):
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        return {name: value.split(".", 1) if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


Loader.add_multi_constructor("!", _function)


def read(template):
    """A template, functions in their long form."""
    return yaml.load(pathlib.Path(template).read_text(), Loader)


def package(dist_dir, out_template, template=ROOT / "infra/rendered/template.yaml"):
    """Copies a template and all that it nests so that `sam deploy` and `deploy` take them as they are: every function is
    `<dist_dir>/<binary>`, a folder with its `bootstrap`, which is zipped beside it. Returns the path of the copy."""
    out_template = pathlib.Path(out_template)
    out_template.parent.mkdir(parents=True, exist_ok=True)
    _package(pathlib.Path(template), pathlib.Path(dist_dir).resolve(), out_template)
    return out_template


def _package(template, dist, out):
    body = read(template)
    for name, resource in body["Resources"].items():
        properties = resource.get("Properties", {}) if isinstance(resource, dict) else {}
        kind = resource.get("Type") if isinstance(resource, dict) else None
        if kind == NESTED:
            copy = out.with_name(f"{out.stem}-{name}.yaml")
            _package(template.parent / properties["Location"], dist, copy)
            properties["Location"] = copy.name
        elif kind == FUNCTION:
            binary = resource.pop("Metadata")["BuildProperties"]["Binary"]
            if not (dist / binary / "bootstrap").is_file():
                raise FileNotFoundError(f"{dist / binary / 'bootstrap'} is not there: build `{binary}` and copy it")
            properties["CodeUri"] = str(_zipped(dist / binary))
        elif kind == LAYER:
            properties["ContentUri"] = str((template.parent / properties["ContentUri"]).resolve())
    out.write_text(yaml.dump(body, Dumper=DUMPER, sort_keys=False, width=1000))


def _zipped(folder):
    """The zip of a function, made where it is missing or older than its `bootstrap`."""
    zipped = folder.with_suffix(".zip")
    if not zipped.is_file() or zipped.stat().st_mtime < (folder / "bootstrap").stat().st_mtime:
        zipped.write_bytes(_zip(folder))
    return zipped


def _zip(folder):
    """The same bytes for the same files, so that what did not change is not deployed again."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in sorted(path for path in pathlib.Path(folder).rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(str(file.relative_to(folder)), (2020, 1, 1, 0, 0, 0))
            entry.external_attr, entry.compress_type = 0o755 << 16, zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())
    return data.getvalue()


def _named(data, suffix):
    """Bytes and the key they are uploaded under, which tells their content."""
    return hashlib.sha256(data).hexdigest()[:32] + suffix, data


@functools.lru_cache(maxsize=8)
def _read(zipped, _changed_at):
    return _named(zipped.read_bytes(), ".zip")


def _upload(template, bucket):
    """Uploads what a packaged template names, unless it was before, and returns it with addresses in place of paths."""
    s3 = boto3.client("s3")
    template = pathlib.Path(template)
    body = read(template)

    def put(key, data):
        if (bucket, key) not in _UPLOADED:
            s3.put_object(Bucket=bucket, Key=key, Body=data)
            _UPLOADED.add((bucket, key))
        return key

    for resource in body["Resources"].values():
        properties = resource.get("Properties", {}) if isinstance(resource, dict) else {}
        kind = resource.get("Type") if isinstance(resource, dict) else None
        if kind == NESTED:
            nested = _upload(template.parent / properties["Location"], bucket)
            properties["Location"] = f"{s3.meta.endpoint_url}/{bucket}/{put(*_named(nested.encode(), '.yaml'))}"
        for field in {FUNCTION: ["CodeUri"], LAYER: ["ContentUri"]}.get(kind, []):
            what = pathlib.Path(properties[field])
            data = _read(what, what.stat().st_mtime_ns) if what.is_file() else _named(_zip(what), ".zip")
            properties[field] = f"s3://{bucket}/{put(*data)}"
    return yaml.dump(body, Dumper=DUMPER, sort_keys=False, width=1000)


def bucket(name="ml-connector-artifacts"):
    """A bucket for what is uploaded, made where it is missing."""
    s3 = boto3.client("s3")
    if name not in [known["Name"] for known in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=name)
    return name


def deploy(stack, template, parameters=None, artifacts=None):
    """Creates or updates a stack from a packaged template by a change set. Returns what changed, as
    `{logical id: (action, type)}` of the outermost stack."""
    cloudformation = boto3.client("cloudformation")
    body = _upload(template, artifacts or bucket())
    there = _status(cloudformation, stack)
    name = f"deploy-{uuid.uuid4().hex}"
    cloudformation.create_change_set(
        StackName=stack,
        ChangeSetName=name,
        ChangeSetType="UPDATE" if there else "CREATE",
        TemplateBody=body,
        Capabilities=CAPABILITIES,
        Parameters=[{"ParameterKey": key, "ParameterValue": str(value)} for key, value in (parameters or {}).items()],
    )
    change_set = _wait(lambda: cloudformation.describe_change_set(StackName=stack, ChangeSetName=name), "Status")
    if change_set["Status"] == "FAILED":
        cloudformation.delete_change_set(StackName=stack, ChangeSetName=name)
        if not change_set["Changes"]:
            return {}
        raise RuntimeError(change_set["StatusReason"])
    cloudformation.execute_change_set(StackName=stack, ChangeSetName=name)
    _settled(cloudformation, stack)
    changes = [change["ResourceChange"] for change in change_set["Changes"]]
    return {change["LogicalResourceId"]: (change["Action"], change["ResourceType"]) for change in changes}


def sam_deploy(stack, template, parameters=None, artifacts=None, sam=None):
    """The same by the SAM CLI, as a person would. Returns what it printed."""
    sam = sam or os.environ.get("ML_CONNECTOR_TEST_SAM", str(ROOT / "target/python-sam/bin/sam"))
    command = [sam, "deploy", "--language-extensions", "--template", str(template), "--stack-name", stack]
    command += ["--s3-bucket", artifacts or bucket(), "--capabilities", *CAPABILITIES]
    command += ["--no-confirm-changeset", "--no-fail-on-empty-changeset"]
    if parameters:
        command += ["--parameter-overrides", *[f"{key}={value}" for key, value in parameters.items()]]
    ran = subprocess.run(
        command, env={**os.environ, "SAM_CLI_TELEMETRY": "0"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if ran.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{ran.stdout}")
    return ran.stdout


def delete(stack):
    """Deletes a stack and waits until it is gone."""
    cloudformation = boto3.client("cloudformation")
    cloudformation.delete_stack(StackName=stack)
    deadline = time.monotonic() + 600
    while _status(cloudformation, stack) not in (None, "DELETE_COMPLETE"):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{stack} is not deleted: {_failures(cloudformation, stack)}")
        time.sleep(0.2)


def outputs(stack):
    """The outputs of a stack. Those of integrations, which are JSON, are read."""
    described = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    found = {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}
    return {key: json.loads(value) if value.startswith("{") else value for key, value in found.items()}


def parts(stack, scope):
    """Queues (by URL), functions, log groups and the schedule group of a scope such as `jde-looker`."""
    found = [value for value in outputs(stack).values() if isinstance(value, dict)]
    return next(part for part in found if part["scope"] == scope)


def resources(stack, place=""):
    """Every resource of a stack and of those that it nests: `{place: (type, physical id)}`."""
    found = {}
    listed = boto3.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    for resource in listed:
        if resource["ResourceStatus"] == "DELETE_COMPLETE":
            continue
        path = f"{place}{resource['LogicalResourceId']}"
        found[path] = (resource["ResourceType"], resource["PhysicalResourceId"])
        if resource["ResourceType"] == "AWS::CloudFormation::Stack":
            found.update(resources(resource["PhysicalResourceId"], f"{path}/"))
    return found


def _status(cloudformation, stack):
    try:
        status = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
    except cloudformation.exceptions.ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return None if status == "REVIEW_IN_PROGRESS" else status


def _wait(describe, field):
    deadline = time.monotonic() + 900
    while True:
        described = describe()
        if not described[field].endswith(("_IN_PROGRESS", "_PENDING")):
            return described
        if time.monotonic() > deadline:
            raise RuntimeError(f"still {described[field]} after 15 minutes")
        time.sleep(0.1)


def _settled(cloudformation, stack):
    described = _wait(lambda: cloudformation.describe_stacks(StackName=stack)["Stacks"][0], "StackStatus")
    if described["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise RuntimeError(f"{stack}: {described['StackStatus']}\n{_failures(cloudformation, stack)}")


def _failures(cloudformation, stack):
    """Why resources failed, in this stack and in those it nests."""
    lines = []
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    for event in events:
        if event["ResourceStatus"].endswith("_FAILED"):
            lines.append(f"{event['LogicalResourceId']} ({event['ResourceType']}): {event.get('ResourceStatusReason', '')}")
    return "\n".join(lines)

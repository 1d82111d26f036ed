"""Brings the rendered templates up in an emulator that enforces IAM, and changes tenants: only what is theirs changes, secrets
stay as people set them, and roles reach no further than they say.

Needs `ML_CONNECTOR_TEST_PROGRAM`, the program that renders. With `--sam` a tenant is added by the SAM CLI, and that is all.
"""

import contextlib
import functools
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import gaps

PROJECT = pathlib.Path(__file__).resolve().parents[2]
STACK = "ml-connector"
FUNCTIONS = ["poll", "transform", "load", "replay", "reconcile"]

TENANT = """
connections:
  erp:
    jde: {{url: "https://ais.{id}.example:9302/jderest", secret: jde, zone: America/Chicago}}
  warehouse:
    postgres: {{url: "postgresql://loader@warehouse.{id}.example:5432/analytics", secret: warehouse}}
integrations:
  jde-looker: {{source: erp, destination: warehouse}}
{more}
"""


def main():
    with tempfile.TemporaryDirectory(dir=PROJECT / "target") as home, running() as _:
        world = World(pathlib.Path(home), by_sam="--sam" in sys.argv)
        adding_a_tenant_touches_that_tenant(world)
        if not world.by_sam:
            removing_a_tenant_leaves_its_secrets(world)
            tenants_in_the_table_touch_nothing_else(world)
            roles_reach_what_they_name(world)
            tearing_down_leaves_data_and_secrets(world)
    print("ok")


@contextlib.contextmanager
def running():
    started = gaps.start()
    os.environ.update(started.environment)
    try:
        yield started
    except Exception:
        print(started.log.read_text()[-4000:], file=sys.stderr)
        raise
    finally:
        started.stop()


class World:
    """A folder with tenant files, what is rendered from them, and programs that answer with nothing."""

    def __init__(self, home, by_sam):
        self.home, self.by_sam = home, by_sam
        self.tenants = home / "tenants"
        self.tenants.mkdir()
        for function in FUNCTIONS:
            bootstrap = home / "dist" / function / "bootstrap"
            bootstrap.parent.mkdir(parents=True)
            bootstrap.write_text("#!/bin/sh\nexec sleep 60\n")
            bootstrap.chmod(0o755)

    def tenant(self, id, more=""):
        (self.tenants / f"{id}.yaml").write_text(TENANT.format(id=id, more=more))

    def render(self):
        program = os.environ["ML_CONNECTOR_TEST_PROGRAM"]
        folders = ["--tenants", self.tenants, "--infra", PROJECT / "infra", "--out", self.home / "rendered"]
        for verb in ("render", "check"):
            subprocess.run([program, "infra", verb, *folders], check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return deployer().package(self.home / "dist", self.home / "packaged/template.yaml", self.home / "rendered/template.yaml")

    def deploy(self, **parameters):
        template = self.render()
        parameters = {"KeepData": "false", "Architecture": "x86_64", **parameters}
        if self.by_sam:
            deployer().sam_deploy(STACK, template, parameters)
        else:
            deployer().deploy(STACK, template, parameters)
        return state()


def deployer():
    # Imported late: its clients take their region from the environment.
    import deploy

    return deploy


@functools.cache
def client(service):
    import boto3

    return boto3.client(service)


def state():
    """Every resource of the deployment with what the service itself says about it."""
    return {place: told(kind, id) for place, (kind, id) in deployer().resources(STACK).items()}


def told(kind, id):
    if kind == "AWS::Lambda::Function":
        function = client("lambda").get_function_configuration(FunctionName=id)
        wanted = ["Layers", "Environment", "CodeSha256", "Timeout", "MemorySize", "Role", "LoggingConfig"]
        return id, {key: function.get(key) for key in wanted}
    if kind == "AWS::SQS::Queue":
        attributes = client("sqs").get_queue_attributes(QueueUrl=id, AttributeNames=["All"])["Attributes"]
        return id, {key: value for key, value in attributes.items() if not key.startswith(("Approximate", "LastModified"))}
    if kind == "AWS::Scheduler::Schedule":
        for schedule in client("scheduler").list_schedules()["Schedules"]:
            if schedule["Name"] == id:
                found = client("scheduler").get_schedule(Name=id, GroupName=schedule["GroupName"])
                return id, {key: found[key] for key in ("GroupName", "ScheduleExpression", "Target", "State")}
    if kind == "AWS::SecretsManager::Secret":
        described = client("secretsmanager").describe_secret(SecretId=id)
        return id, described["Name"], described["Tags"], secret(described["Name"])
    if kind == "AWS::IAM::Role":
        iam = client("iam")
        attached = iam.list_attached_role_policies(RoleName=id)["AttachedPolicies"]
        names = iam.list_role_policies(RoleName=id)["PolicyNames"]
        return id, attached, [iam.get_role_policy(RoleName=id, PolicyName=name)["PolicyDocument"] for name in names]
    return id


def secret(name):
    return client("secretsmanager").get_secret_value(SecretId=name)["SecretString"]


def different(before, after):
    """The places that are new, gone or not the same. A stack that nests others changes with them, and is left out."""
    places = {place for place in before.keys() | after.keys() if before.get(place) != after.get(place)}
    return {place for place in places if not any(other.startswith(f"{place}/") for other in before.keys() | after.keys())}


def adding_a_tenant_touches_that_tenant(world):
    world.tenant("acme", "schedules: {time_zone: America/Chicago, flexible_window: 15m}")
    world.tenant("globex", "dedicated: true")
    world.deploy()
    client("secretsmanager").put_secret_value(SecretId="ml-connector/acme/jde", SecretString='{"username": "set by hand"}')
    before = state()

    world.tenant("initech")
    after = world.deploy()

    touched = different(before, after)
    own = {place for place in touched if place.startswith("TenantInitech/")}
    assert len(own) == 8, f"six schedules and two secrets: {own}"
    configuration = {place for place in touched if place.startswith("ConfigurationJdeLooker") and "At" not in place}
    functions = {place for place in touched - own - configuration}
    assert configuration, "the tenant files of the integration are a new layer"
    names = ["Poll", "Transform", "Load", "DeadLetters", "Replay", "Reconcile"]
    assert functions == {f"JdeLooker/{name}" for name in names}, functions
    for place in functions:
        (_, was), (_, now) = before[place], after[place]
        assert {key for key in was if was[key] != now[key]} == {"Layers"}, place
    assert json.loads(secret("ml-connector/acme/jde")) == {"username": "set by hand"}
    assert json.loads(secret("ml-connector/initech/jde")).keys() == {"not_set_yet"}


def removing_a_tenant_leaves_its_secrets(world):
    client("secretsmanager").put_secret_value(SecretId="ml-connector/initech/jde", SecretString='{"username": "kept"}')
    before = state()
    (world.tenants / "initech.yaml").unlink()
    after = world.deploy()
    gone = before.keys() - after.keys()
    assert {place for place in gone if not place.startswith(("TenantInitech", "ConfigurationJdeLooker"))} == set()
    assert not any(s["Name"].startswith("initech.") for s in client("scheduler").list_schedules()["Schedules"])
    assert json.loads(secret("ml-connector/initech/jde")) == {"username": "kept"}

    world.tenant("initech", "secrets: existing")
    world.deploy()
    assert json.loads(secret("ml-connector/initech/jde")) == {"username": "kept"}


def tenants_in_the_table_touch_nothing_else(world):
    before = world.deploy(Configuration="table")
    for place in ("JdeLooker/Poll", "JdeLookerAtGlobex/Poll"):
        assert not before[place][1]["Layers"] and "ML_CONNECTOR_CONFIG" not in before[place][1]["Environment"]["Variables"]

    world.tenant("umbrella")
    added = world.deploy(Configuration="table")
    assert {place.split("/")[0] for place in different(before, added)} == {"TenantUmbrella"}, different(before, added)

    world.tenant("umbrella", "schedules: {flexible_window: 5m}\nsecrets: created")
    world.tenant("acme", "")
    changed = world.deploy(Configuration="table")
    assert {place.split("/")[0] for place in different(added, changed)} <= {"TenantUmbrella", "TenantAcme"}

    (world.tenants / "umbrella.yaml").unlink()
    removed = world.deploy(Configuration="table")
    assert {place.split("/")[0] for place in different(changed, removed)} == {"TenantUmbrella"}


def roles_reach_what_they_name(world):
    resources = deployer().resources(STACK)
    queue = {place: id for place, (kind, id) in resources.items() if kind == "AWS::SQS::Queue"}
    shared, own = acting(resources, "JdeLooker/Poll"), acting(resources, "JdeLookerAtGlobex/Poll")
    transform = acting(resources, "JdeLooker/Transform")

    allowed(lambda: shared("secretsmanager").get_secret_value(SecretId="ml-connector/acme/jde"))
    refused(lambda: shared("secretsmanager").get_secret_value(SecretId="ml-connector/globex/jde"))
    allowed(lambda: own("secretsmanager").get_secret_value(SecretId="ml-connector/globex/jde"))
    refused(lambda: own("secretsmanager").get_secret_value(SecretId="ml-connector/acme/jde"))
    refused(lambda: transform("secretsmanager").get_secret_value(SecretId="ml-connector/acme/jde"))
    refused(lambda: shared("secretsmanager").put_secret_value(SecretId="ml-connector/acme/jde", SecretString="{}"))

    allowed(lambda: shared("sqs").receive_message(QueueUrl=queue["JdeLooker/PollQueue"]))
    refused(lambda: shared("sqs").receive_message(QueueUrl=queue["JdeLooker/LoadQueue"]))
    allowed(lambda: shared("sqs").send_message(QueueUrl=queue["JdeLooker/TransformQueue"], MessageBody="{}"))
    refused(lambda: shared("sqs").send_message(QueueUrl=queue["JdeLookerAtGlobex/TransformQueue"], MessageBody="{}"))

    table = deployer().outputs(STACK)["SyncsTable"]
    key = {"owner": {"S": "jde-looker|acme/jde-looker/suppliers"}, "item": {"S": "state"}}
    allowed(lambda: shared("dynamodb").get_item(TableName=table, Key=key))
    refused(lambda: shared("dynamodb").scan(TableName=table))
    refused(lambda: shared("dynamodb").describe_table(TableName=table))


def tearing_down_leaves_data_and_secrets(world):
    world.deploy(KeepData="true")
    tables = [name for key, name in deployer().outputs(STACK).items() if key.endswith("Table")]
    deployer().delete(STACK)
    for table in tables:
        assert client("dynamodb").describe_table(TableName=table)["Table"]["DeletionProtectionEnabled"]
    assert json.loads(secret("ml-connector/acme/jde")) == {"username": "set by hand"}
    assert not client("lambda").list_functions()["Functions"]


def acting(resources, function):
    """Clients with the role of a function."""
    role = resources[f"{function}Role"][1]
    iam = client("iam")
    arn = iam.get_role(RoleName=role)["Role"]["Arn"]
    # For the time of this test the role may be taken by hand; what it may then do is what is tested.
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    taken = client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    import boto3

    session = boto3.Session(
        aws_access_key_id=taken["AccessKeyId"],
        aws_secret_access_key=taken["SecretAccessKey"],
        aws_session_token=taken["SessionToken"],
    )
    return session.client


def allowed(call):
    call()


def refused(call):
    from botocore.exceptions import ClientError

    try:
        call()
    except ClientError as error:
        assert "not authorized" in str(error) or "AccessDenied" in str(error), error
        return
    raise AssertionError("was allowed")


if __name__ == "__main__":
    main()

"""ministack with its gaps closed, as far as the templates would fall into them.

* Nested templates pass their transforms, as CloudFormation does it. ministack expands the outermost template only.
* What does not change in a nested stack keeps its attributes. ministack forgets them with the first update.
* What a nested stack retains stays when the stack goes. ministack deletes it.
* A number that comes as a parameter is a number. ministack keeps the concurrency of an event source as text and then fails.
* EventBridge Scheduler replaces `<aws.scheduler.…>` in what it sends. ministack sends the words as they stand.

Started as a program it is ministack, configured by the same environment. `start` starts it on a free port.
"""

import copy
import datetime
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid

REGION = "us-east-1"


def expand_nested_templates():
    from ministack.services.cloudformation import engine, provisioners

    check = provisioners._check_nested_stack_capabilities

    def check_and_expand(parent, template):
        check(parent, template)
        expanded = engine._apply_transforms(copy.deepcopy(template))
        template.clear()
        template.update(expanded)

    provisioners._check_nested_stack_capabilities = check_and_expand


def keep_attributes_in_nested_stacks():
    from ministack.services.cloudformation import _stacks, provisioners

    update = provisioners._update_resource

    def keeping(kind, id, old, new, stack, name=None, attributes=None):
        if attributes is None:
            known = (_stacks.get(stack) or {}).get("_resources", {}).get(name, {})
            attributes = known.get("Attributes")
        return update(kind, id, old, new, stack, name, attributes)

    provisioners._update_resource = keeping


def retain_what_nested_stacks_retain():
    from ministack.services.cloudformation import _stacks, provisioners, stacks

    handler = provisioners._RESOURCE_HANDLERS["AWS::CloudFormation::Stack"]
    delete = handler["delete"]

    def retaining(id, properties):
        name = provisioners._nested_stack_lookup_name(id)
        stack = _stacks.get(name) or {}
        template, made = stack.get("_template") or {}, stack.get("_resources") or {}
        for resource, definition in (template.get("Resources") or {}).items():
            policy = stacks._resource_policy(
                definition, "DeletionPolicy", made, stack.get("_resolved_params", {}), stack.get("_conditions", {}),
                template.get("Mappings", {}), name, stack.get("StackId"),
            )
            if policy == "Retain":
                made.pop(resource, None)
        return delete(id, properties)

    handler["delete"] = retaining


def read_concurrency_as_a_number():
    from ministack.services.cloudformation import provisioners

    def numbered(properties):
        scaling = properties.get("ScalingConfig") or {}
        if "MaximumConcurrency" not in scaling:
            return properties
        return {**properties, "ScalingConfig": {"MaximumConcurrency": int(scaling["MaximumConcurrency"])}}

    handler = provisioners._RESOURCE_HANDLERS["AWS::Lambda::EventSourceMapping"]
    create, update = handler["create"], handler["update"]
    handler["create"] = lambda name, properties, stack: create(name, numbered(properties), stack)
    handler["update"] = lambda id, old, new, stack: update(id, numbered(old), numbered(new), stack)


def fill_in_what_the_scheduler_knows():
    from ministack.services import eventbridge

    invoke = eventbridge._invoke_target

    def filled_in(target, event, rule, view=None):
        if event.get("Source") == "aws.scheduler" and target.get("Input"):
            due = datetime.datetime.fromtimestamp(event["Time"], datetime.timezone.utc)
            text = target["Input"]
            for word, value in {
                "schedule-arn": rule.get("Arn", ""),
                "scheduled-time": due.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "execution-id": uuid.uuid4().hex[:16],
                "attempt-number": "1",
            }.items():
                text = text.replace(f"<aws.scheduler.{word}>", value)
            target = {**target, "Input": text}
        return invoke(target, event, rule, view)

    eventbridge._invoke_target = filled_in


class Emulator:
    """A running emulator: `url`, `environment` for programs that call it, `log`, `stop`."""

    def __init__(self, process, port, log):
        self.process, self.log = process, log
        self.url = f"http://127.0.0.1:{port}"
        self.environment = environment(port)

    def stop(self):
        # Functions that do not notice its end are in the same group.
        for ending in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, ending)
                self.process.wait(10)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue


def environment(port):
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
    }


def start(extra_environment=None, authorize=True):
    """Starts an emulator on a free port, in a process group of its own, and waits until it answers.

    With `authorize` every call is held against the IAM policies of its caller. `extra_environment` is inherited by the
    functions.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = pathlib.Path(tempfile.mkstemp(prefix="emulator-", suffix=".log")[1])
    settings = {
        **os.environ,
        **environment(port),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "AUTH": "true" if authorize else "false",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        **(extra_environment or {}),
    }
    process = subprocess.Popen(
        [sys.executable, __file__], env=settings, stdout=log.open("wb"), stderr=subprocess.STDOUT, start_new_session=True
    )
    emulator = Emulator(process, port, log)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{emulator.url}/_ministack/health", timeout=2).read()
            return emulator
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    emulator.stop()
    raise RuntimeError(f"the emulator does not answer; its log is {log}:\n{log.read_text()[-2000:]}")


if __name__ == "__main__":
    from ministack.app import main

    expand_nested_templates()
    keep_attributes_in_nested_stacks()
    retain_what_nested_stacks_retain()
    read_concurrency_as_a_number()
    fill_in_what_the_scheduler_knows()
    sys.exit(main())

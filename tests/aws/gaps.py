"""ministack with its gaps closed, as far as the templates would fall into them.

* Nested templates pass their transforms, as CloudFormation does it. ministack expands the outermost template only.
* What does not change in a nested stack keeps its attributes. ministack forgets them with the first update.
* What a nested stack retains stays when the stack goes. ministack deletes it.
* A number that comes as a parameter is a number. ministack keeps the concurrency of an event source as text and then fails.
* EventBridge Scheduler replaces `<aws.scheduler.…>` in what it sends. ministack sends the words as they stand.
* A layer of a custom runtime is unpacked. ministack leaves it out; here it is unpacked beside the function, and what the function's
  environment says of `/opt` leads there.

Started as a program it is ministack, configured by the same environment. `start` starts it on a free port.
"""

import copy
import datetime
import hashlib
import io
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
import zipfile

REGION = "us-east-1"

# The variable with the number of a pipe that whoever starts an emulator holds the other end of.
LIFELINE = "EMULATOR_LIFELINE"


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


def unpack_layers_of_custom_runtimes():
    from ministack.services import lambda_svc

    environment_of = lambda_svc._provided_worker_env

    def with_layers(config, code, port):
        made = environment_of(config, code, port)
        zips = [lambda_svc._resolve_layer_zip(layer) for layer in config.get("Layers") or []]
        if not any(zips):
            return made
        opt = _unpacked([data for data in zips if data], pathlib.Path(code).parent)
        own = (config.get("Environment") or {}).get("Variables") or {}
        moved = {name: f"{opt}{value[4:]}" for name, value in own.items() if value == "/opt" or value.startswith("/opt/")}
        return {**made, **moved}

    lambda_svc._provided_worker_env = with_layers


def _unpacked(zips, beside):
    """A folder with the layers, later ones over earlier ones. Its name tells its content, so that it is made once."""
    folder = beside / f"opt-{hashlib.sha256(b''.join(zips)).hexdigest()[:32]}"
    if not folder.is_dir():
        draft = pathlib.Path(tempfile.mkdtemp(dir=beside))
        for data in zips:
            zipfile.ZipFile(io.BytesIO(data)).extractall(draft)
        try:
            draft.rename(folder)
        except OSError:
            # Another environment that starts at the same time was faster.
            shutil.rmtree(draft)
    return folder


class Emulator:
    """A running emulator: `url`, `environment` for programs that call it, `log`, `stop`."""

    def __init__(self, process, port, home, lifeline):
        self.process, self.home, self.log, self._lifeline = process, home, home / "log", lifeline
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
        os.close(self._lifeline)
        shutil.rmtree(self.home, ignore_errors=True)


def environment(port):
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
    }


def start(extra_environment=None, authorize=True):
    """Starts an emulator on a free port, in a process group of its own, and waits until it answers. It ends with this process,
    however that ends.

    With `authorize` every call is held against the IAM policies of its caller. `extra_environment` is inherited by the
    functions.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = pathlib.Path(tempfile.mkdtemp(prefix="emulator-"))
    theirs, ours = os.pipe()
    settings = {
        **os.environ,
        **environment(port),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "AUTH": "true" if authorize else "false",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # What it unpacks goes with it.
        "TMPDIR": str(home),
        LIFELINE: str(theirs),
        **(extra_environment or {}),
    }
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, __file__], env=settings, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            start_new_session=True, pass_fds=[theirs],
        )
    os.close(theirs)
    emulator = Emulator(process, port, home, ours)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{emulator.url}/_ministack/health", timeout=2).read()
            return emulator
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    said = emulator.log.read_text()[-2000:]
    emulator.stop()
    raise RuntimeError(f"the emulator does not answer; it said:\n{said}")


def end_with_whoever_started_this():
    """Waits until the other end of the lifeline is closed, and ends the whole group: functions may not notice."""
    if lifeline := os.environ.pop(LIFELINE, None):

        def wait():
            os.read(int(lifeline), 1)
            os.killpg(0, signal.SIGKILL)

        threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    from ministack.app import main

    end_with_whoever_started_this()
    expand_nested_templates()
    keep_attributes_in_nested_stacks()
    retain_what_nested_stacks_retain()
    read_concurrency_as_a_number()
    fill_in_what_the_scheduler_knows()
    unpack_layers_of_custom_runtimes()
    sys.exit(main())

"""Measures the functions as they are deployed: how long each takes from its start to its first answer, how much memory that
takes, and how large it is as an archive. Nothing of AWS is called: the functions get an event that they answer by themselves.

    for function in poll transform load replay reconcile; do (cd functions/$function && cargo lambda build --release); done
    tests/bench/lambda_start.py target/lambda <tenant files> [--starts N] [--out tests/bench/lambda_start.json]

Each function is built in its own folder, as `sam build` does it; without the first line's `cargo lambda`, copy what
`cargo build --release` makes there to <folder>/<function>/bootstrap. The result beside this file is of the tenant files in
tests/integration/golden/infra/rendered/config/jde-looker/ml-connector/tenants.

A stage is given a batch without messages, `replay` and `reconcile` a tenant that is not theirs. Everything before that is the
real thing: settings, tenant files and their plans, clients of AWS and of the systems.
"""

import argparse
import http.server
import io
import json
import os
import pathlib
import statistics
import subprocess
import sys
import threading
import time
import zipfile

LIMITS = {"start_to_answer_ms_p50": 40, "peak_mib": 32, "archive_mb": 5}
EVENTS = {
    "poll": {"Records": []},
    "transform": {"Records": []},
    "load": {"Records": []},
    "replay": {"tenant": "nobody", "rejects": True},
    "reconcile": {"tenant": "nobody"},
}
VARIABLES = {
    "AWS_LAMBDA_FUNCTION_NAME": "measured",
    "AWS_LAMBDA_FUNCTION_VERSION": "1",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
    "AWS_LAMBDA_LOG_GROUP_NAME": "measured",
    "AWS_LAMBDA_LOG_STREAM_NAME": "measured",
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "ML_CONNECTOR_SCOPE": "jde-looker",
    "ML_CONNECTOR_INTEGRATION": "jde-looker",
    "ML_CONNECTOR_SECRETS_PREFIX": "ml-connector/",
    **{f"ML_CONNECTOR_TABLE_{table}": f"ml-connector-{table}" for table in ["SYNCS", "BATCHES", "AUDIT", "LINKS"]},
    **{
        f"ML_CONNECTOR_QUEUE_{queue}": f"http://127.0.0.1:9/000000000000/{queue}"
        for queue in ["POLL", "TRANSFORM", "LOAD", "DEAD_LETTERS"]
    },
}


class Platform(http.server.BaseHTTPRequestHandler):
    """As much of Lambda's runtime API as a first answer takes."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        platform = self.server
        if platform.answered.is_set():
            # The function waits for work until it is stopped.
            platform.stopped.wait(30)
            return
        body = json.dumps(platform.event).encode()
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", "first")
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + 60) * 1000)))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:measured")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        at = time.perf_counter()
        answer = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.answer = (at, self.path, answer)
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.server.answered.set()

    def log_message(self, *_):
        pass


class Quiet(http.server.ThreadingHTTPServer):
    """Says nothing of functions that were stopped while they asked for more work."""

    def handle_error(self, *_):
        pass


def start_once(bootstrap, event, tenants):
    """Seconds from start to answer, seconds of the processor that took, and the most memory in MiB."""
    platform = Quiet(("127.0.0.1", 0), Platform)
    platform.daemon_threads = True
    platform.event, platform.answered, platform.stopped, platform.answer = event, threading.Event(), threading.Event(), None
    threading.Thread(target=platform.serve_forever, args=[0.01], daemon=True).start()
    environment = {**VARIABLES, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{platform.server_port}", "ML_CONNECTOR_CONFIG": str(tenants)}
    began = time.perf_counter()
    process = subprocess.Popen([bootstrap], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        if not platform.answered.wait(20):
            process.kill()
            sys.exit(f"{bootstrap} does not answer: {process.stdout.read().decode()[-2000:]}")
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        threads = pathlib.Path(f"/proc/{process.pid}/task").glob("*/schedstat")
        worked = sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9
        at, path, answer = platform.answer
        if path.endswith("/init/error"):
            sys.exit(f"{bootstrap} does not start: {answer.decode()}")
    finally:
        process.kill()
        process.communicate()
        platform.stopped.set()
        platform.shutdown()
        platform.server_close()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return at - began, worked, peak / 1024


def archive(bootstrap):
    """The size of the archive that is uploaded, in MB, compressed as `sam deploy` does it."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.write(bootstrap, "bootstrap")
    return len(data.getvalue()) / 1e6


def exceeds(result):
    """Whether a function needs more than it may."""
    return (
        result["start_to_answer_ms"]["p50"] >= LIMITS["start_to_answer_ms_p50"]
        or result["peak_mib"] > LIMITS["peak_mib"]
        or result["archive_mb"] >= LIMITS["archive_mb"]
    )


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("functions", type=pathlib.Path)
    arguments.add_argument("tenants", type=pathlib.Path)
    arguments.add_argument("--starts", type=int, default=25)
    arguments.add_argument("--out", type=pathlib.Path)
    given = arguments.parse_args()
    results = {}
    for name, event in EVENTS.items():
        bootstrap = given.functions.resolve() / name / "bootstrap"
        starts = [start_once(bootstrap, event, given.tenants.resolve()) for _ in range(given.starts)]
        times = [seconds * 1000 for seconds, _, _ in starts]
        results[name] = {
            "start_to_answer_ms": {"p50": round(statistics.median(times), 1), "max": round(max(times), 1)},
            "processor_ms_p50": round(statistics.median(worked for _, worked, _ in starts) * 1000, 1),
            "peak_mib": round(max(peak for _, _, peak in starts), 1),
            "archive_mb": round(archive(bootstrap), 2),
        }
        print(f"{name:10} {results[name]}")
    machine = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "unknown")
    found = {
        "what": "each function from the start of its process to its first answer, at full speed of one machine; see lambda_start.py",
        "machine": {"cores": os.cpu_count(), "cpu": machine, "built_for": os.uname().machine},
        "starts": given.starts,
        "limits": LIMITS,
        "functions": results,
    }
    if given.out:
        given.out.write_text(json.dumps(found, indent=2) + "\n")
    beyond = [name for name, result in results.items() if exceeds(result)]
    if beyond:
        sys.exit(f"beyond the limits {LIMITS}: {', '.join(beyond)}")


if __name__ == "__main__":
    main()

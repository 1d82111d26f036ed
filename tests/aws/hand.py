"""An emulator for a test in another language, and a hand in it.

Starts the emulator and prints a line of JSON that says where it is. Then it takes a line of JSON per wish on stdin and answers each
with a line on stdout, `{"ok": …}` or `{"error": "…"}`:

    {"service": "lambda", "operation": "invoke", "parameters": {…}}    a call of boto3
    {"function": "deploy", "arguments": {…}}                           a function of deploy.py

When stdin ends, because the test has ended in whatever way, everything that was started is stopped.
"""

import functools
import json
import os
import signal
import sys

import gaps


def main():
    # Ctrl-C reaches the test too, whose end ends this.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    emulator = gaps.start()
    try:
        os.environ.update(emulator.environment)
        where = {"url": emulator.url, "group": emulator.process.pid, "log": str(emulator.log)}
        print(json.dumps(where), file=answers)
        for line in sys.stdin:
            print(json.dumps(answer(json.loads(line)), default=text), file=answers)
    finally:
        emulator.stop()


def answer(wish):
    try:
        if "function" in wish:
            # Imported late: its clients take their region from the environment.
            import deploy

            return {"ok": getattr(deploy, wish["function"])(**wish["arguments"])}
        return {"ok": getattr(client(wish["service"]), wish["operation"])(**wish["parameters"])}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


@functools.cache
def client(service):
    import boto3

    return boto3.client(service)


def text(value):
    """Streams are read; times and paths are written down."""
    return value.read().decode() if hasattr(value, "read") else str(value)


if __name__ == "__main__":
    main()

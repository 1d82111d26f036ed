#!/usr/bin/env python3
"""Proves the Looker simulator with a client that nobody here wrote: Looker's own `looker_sdk`.

Usage: looker.py PROGRAM

PROGRAM is the built example `looker` of the sandbox crate. Each check prints one line; the exit code is 0 when all
hold. Without the package the script says so and ends with 77, which test runners take as left out.
"""

import json
import os
import sqlite3
import subprocess
import sys
import time
import urllib.request

try:
    import looker_sdk
    from looker_sdk import models40 as models
    from looker_sdk.error import SDKError
except ImportError as missing:
    print(f"left out: {missing}; pip install 'looker_sdk==26.22.*'")
    sys.exit(77)


class Sandbox:
    """A simulator of its own, as the JSON line of the program describes it."""

    def __init__(self, program, *arguments):
        self.process = subprocess.Popen([program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.place = json.loads(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(timeout=10)

    def __getattr__(self, name):
        return self.place[name]

    def client(self, secret=None):
        os.environ["LOOKERSDK_BASE_URL"] = self.url
        os.environ["LOOKERSDK_CLIENT_ID"] = self.client_id
        os.environ["LOOKERSDK_CLIENT_SECRET"] = secret or self.client_secret
        os.environ["LOOKERSDK_VERIFY_SSL"] = "false"
        # A file that lies in the working directory is read too, but the environment wins.
        return looker_sdk.init40()

    def ask(self, method, url, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data=data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def advance(self, seconds):
        return self.ask("POST", f"{self.control}/clock", {"advance_seconds": seconds})["now"]

    def fault(self, calls, fault, **more):
        self.ask("POST", f"{self.control}/faults", {"calls": calls, "times": 1, "fault": fault, **more})

    def bad_query(self, how):
        self.ask("POST", f"{self.control}/settings", {"bad_query": how})

    def calls(self):
        return self.ask("GET", f"{self.control}/calls")

    def received(self):
        return self.ask("GET", f"{self.receiver_control}/received")

    def add_invoice(self, number):
        connection = sqlite3.connect(self.warehouse)
        with connection:
            connection.execute(
                "INSERT INTO ap_invoices VALUES (?, 1, 'b-20261121-01', 'A', '0.10', '2026-11-20')", (number,)
            )
        connection.close()

    def count_calls(self, method, path):
        return sum(call["method"] == method and call["path"] == path for call in self.calls())


def refused(work):
    """The error of a call that must fail."""
    try:
        work()
    except SDKError as error:
        return error
    raise AssertionError("the call went through")


def status(sandbox):
    """The status of the last call, which the client's error does not carry."""
    return sandbox.calls()[-1]["status"]


def expect(found, wanted, what=""):
    if found != wanted:
        raise AssertionError(f"{what} is {found!r} instead of {wanted!r}".strip())


def query(fields=("ap_invoices.count",), limit="1", view="ap_invoices", **more):
    return models.WriteQuery(model="erp", view=view, fields=list(fields), limit=limit, **more)


def run(sdk, body, cache=False):
    return json.loads(sdk.run_inline_query("json", body, cache=cache, apply_formatting=False))


def count(sdk, cache=False):
    return run(sdk, query(), cache=cache)[0]["ap_invoices.count"]


def jobs(sdk, *plans):
    rows = sdk.run_inline_query(
        "json",
        models.WriteQuery(
            model="system__activity",
            view="scheduled_plan",
            fields=["scheduled_plan.id", "scheduled_plan.name", "scheduled_plan.run_once", "scheduled_job.id",
                    "scheduled_job.status", "scheduled_job.status_detail", "scheduled_job.created_time",
                    "scheduled_job.finalized_time", "scheduled_plan_destination.type",
                    "scheduled_plan_destination.address", "scheduled_plan_destination.format"],
            filters={"scheduled_plan.id": ",".join(plans), "scheduled_job.created_time": "2 hours"},
            sorts=["scheduled_job.created_time desc"],
            limit="500",
        ),
        cache=False,
    )
    return [row["scheduled_job.status"] for row in json.loads(rows)]


CHECKS = []


def check(says):
    def keep(function):
        CHECKS.append((says, function))
        return function

    return keep


@check("a. a wrong secret is an error and gives no token")
def wrong_secret(sandbox):
    sdk = sandbox.client("wrong")
    error = refused(sdk.all_datagroups)
    # For a log-in the client keeps the whole body as its message.
    expect((json.loads(error.message)["message"], status(sandbox)), ("Not found", 404))
    expect(sdk.auth.token.access_token, "", "the token")


@check("c. two log-ins are two tokens, and both ways to log out end only their own")
def logouts(sandbox):
    first, second, third = sandbox.client(), sandbox.client(), sandbox.client()
    for sdk in (first, second, third):
        sdk.all_datagroups()
    expect(len({sdk.auth.token.access_token for sdk in (first, second, third)}), 3, "the number of tokens")
    first.logout()
    expect(sandbox.calls()[-1]["path"], "/api/4.0/logout")
    expect(sandbox.calls()[-1]["status"], 204)
    refused(first.all_datagroups)
    expect(status(sandbox), 401)
    second.auth.logout()
    expect((sandbox.calls()[-1]["path"], status(sandbox)), ("/api/logout", 204))
    third.all_datagroups()


@check("the session is in production and can be moved to dev")
def workspace(sandbox):
    sdk = sandbox.client()
    expect(sdk.session().workspace_id, "production")
    expect(sdk.update_session(models.WriteApiSession(workspace_id="dev")).workspace_id, "dev")
    expect(sandbox.client().session().workspace_id, "production")
    expect(sdk.versions().current_version.version, "4.0")


@check("d. an unknown explore is not found; the fields of a known one are those of its LookML")
def explore(sandbox):
    sdk = sandbox.client()
    error = refused(lambda: sdk.lookml_model_explore("erp", "nothing"))
    expect((error.message, status(sandbox)), ("Not found", 404))
    wanted = "id,name,errors,fields(dimensions(name,type),measures(name,type))"
    found = sdk.lookml_model_explore("erp", "ap_invoices", fields=wanted)
    names = {field.name: field.type for field in found.fields.dimensions}
    groups = {f"ap_invoices.invoiced_{frame}": f"date_{frame}" for frame in ("raw", "date", "month", "year")}
    expect(names, {"ap_invoices.id": "number", "ap_invoices.supplier_id": "number", "ap_invoices.batch_id": "string",
                   "ap_invoices.status": "string", **groups, "suppliers.id": "number", "suppliers.name": "string"})
    expect([field.name for field in found.fields.measures], ["ap_invoices.count", "ap_invoices.total"])
    expect((list(found.errors), found.label), ([], None))
    models_found = sdk.all_lookml_models(fields="name,explores(name)")
    expect([(model.name, [one.name for one in model.explores]) for model in models_found], [("erp", ["ap_invoices"])])


@check("e. an unknown field is refused, or reported inside a 200, as the simulator is set")
def unknown_field(sandbox):
    sdk = sandbox.client()
    error = refused(lambda: run(sdk, query(["ap_invoices.nothing"])))
    expect((status(sandbox), error.errors[0].field), (422, "fields"))
    sandbox.bad_query("looker_error")
    rows = run(sdk, query(["ap_invoices.nothing"]))
    sandbox.bad_query("refuse")
    expect(list(rows[0]), ["looker_error"])


@check("f. a limit is kept, and -1 is everything")
def limits(sandbox):
    sdk = sandbox.client()
    for limit, rows in (("3", 3), ("-1", sandbox.rows)):
        expect(len(run(sdk, query(["ap_invoices.id"], limit))), rows, f"limit {limit}")


@check("amounts are exact to the cent, and the SQL can be seen")
def amounts(sandbox):
    sdk = sandbox.client()
    text = sdk.run_inline_query("json", query(["ap_invoices.total"]), cache=False, apply_formatting=False)
    connection = sqlite3.connect(sandbox.warehouse)
    cents = connection.execute("SELECT SUM(CAST(REPLACE(amount, '.', '') AS INTEGER)) FROM ap_invoices").fetchone()[0]
    connection.close()
    wanted = f"{cents // 100}.{cents % 100:02}"
    if f'"ap_invoices.total":{wanted}' not in text:
        raise AssertionError(f"{text} does not hold {wanted}")
    sql = sdk.run_inline_query("sql", query(["ap_invoices.total"]))
    expect(sql.split()[0], "SELECT")
    stored = sdk.create_query(query())
    expect(sdk.create_query(query()).id, stored.id, "the id of the same query")
    expect(json.loads(sdk.run_query(stored.id, "json", apply_formatting=False)), [{"ap_invoices.count": count(sdk)}])


@check("a query task is 202 until it is there")
def query_task(sandbox):
    sdk = sandbox.client()
    stored = sdk.create_query(query())
    body = models.WriteCreateQueryTask(query_id=stored.id, result_format=models.ResultFormat.json)
    task = sdk.create_query_task(body, apply_formatting=False)
    sdk.query_task_results(task.id)
    expect(status(sandbox), 202)
    expect(sdk.query_task(task.id).status, "complete")
    expect(json.loads(sdk.query_task_results(task.id)), [{"ap_invoices.count": count(sdk)}])


@check("g. a cached count is old until the datagroup is reset; cache=False is never old")
def cache(sandbox):
    sdk = sandbox.client()
    before = count(sdk)
    sandbox.add_invoice(9001)
    expect(count(sdk, cache=True), before, "the cached count")
    now = sandbox.advance(5)
    datagroup = next(one for one in sdk.all_datagroups() if (one.model_name, one.name) == ("erp", "loads"))
    expect(sdk.update_datagroup(datagroup.id, models.WriteDatagroup(stale_before=now - 1)).stale_before, now - 1)
    expect(count(sdk, cache=True), before + 1, "the count after the reset")
    sandbox.add_invoice(9002)
    expect(count(sdk), before + 2, "the count without cache")


@check("h. a datagroup does not take a time in the future, and says which")
def future(sandbox):
    sdk = sandbox.client()
    datagroup = sdk.all_datagroups()[0]
    now = sandbox.advance(0)
    for name in ("stale_before", "triggered_at"):
        error = refused(lambda: sdk.update_datagroup(datagroup.id, models.WriteDatagroup(**{name: now + 600})))
        expect((status(sandbox), error.errors[0].field), (422, name))


@check("the connection works, and each test says so by itself")
def connection(sandbox):
    sdk = sandbox.client()
    results = sdk.test_connection("erp_warehouse", tests=models.DelimSequence(["connect", "query"]))
    expect([(one.name, one.status) for one in results], [("connect", "success"), ("query", "success")])
    columns = sdk.connection_columns("erp_warehouse", schema_name="main", table_names="suppliers", cache=False)
    expect([column.name for column in columns[0].columns], ["id", "name"])


@check("i. run_once_by_id sends no body, gives a new id and leaves the original alone")
def run_once_by_id(sandbox):
    sdk = sandbox.client()
    before = sdk.scheduled_plan(sandbox.plan)
    copy = sdk.scheduled_plan_run_once_by_id(sandbox.plan)
    call = sandbox.calls()[-1]
    expect((call["body"], dict(call["headers"])["content-length"]), ("", "0"))
    if copy.id == sandbox.plan or not copy.run_once:
        raise AssertionError(f"{copy.id} is no copy")
    after = sdk.scheduled_plan(sandbox.plan)
    expect((after.name, after.run_once, after.updated_at, after.last_run_at),
           (before.name, before.run_once, before.updated_at, before.last_run_at), "the original")
    if sandbox.plan not in [plan.id for plan in sdk.all_scheduled_plans(all_users=True)]:
        raise AssertionError("the original is not listed")


@check("j. the webhook is really posted; a receiver that fails shows as a failed job, a replay as a second one")
def webhook(sandbox):
    sdk = sandbox.client()
    sandbox.ask("POST", f"{sandbox.receiver_control}/fail", {"times": 1, "status": 500})
    already = len(sandbox.received())
    first = sdk.scheduled_plan_run_once_by_id(sandbox.plan, models.WriteScheduledPlan(name="AP daily [run 1]"))
    second = sdk.scheduled_plan_run_once_by_id(sandbox.plan, models.WriteScheduledPlan(name="AP daily [run 1]"))
    posts = sandbox.received()[already:]
    expect([post["status"] for post in posts], [500, 200])
    body = posts[1]["body"]
    expect((body["type"], body["scheduled_plan"]["scheduled_plan_id"], body["scheduled_plan"]["type"]),
           ("query", int(second.id), "Look"))
    expect((body["attachment"]["mimetype"], body["attachment"]["extension"]), ("text/csv", "csv"))
    expect(body["attachment"]["data"].splitlines()[0], "Ap Invoices Status,Ap Invoices Count")
    expect((jobs(sdk, first.id), jobs(sdk, second.id)), (["failure"], ["success"]))
    expect(len(jobs(sdk, first.id, second.id)), 2, "the number of jobs")


@check("k. a run that is throttled and sent again after Retry-After delivers exactly once")
def throttled(sandbox):
    sdk = sandbox.client()
    already = len(sandbox.received())
    path = f"/api/4.0/scheduled_plans/{sandbox.plan}/run_once"
    sandbox.fault(f"POST {path}", "status", code=429, retry_after=1)
    error = refused(lambda: sdk.scheduled_plan_run_once_by_id(sandbox.plan))
    expect((status(sandbox), error.message), (429, "Too many requests"))
    expect(len(sandbox.received()), already)
    time.sleep(1)
    sdk.scheduled_plan_run_once_by_id(sandbox.plan)
    expect(len(sandbox.received()), already + 1, "the number of deliveries")


@check("a plan of one's own is created, checked, run, changed and deleted")
def plans(sandbox):
    sdk = sandbox.client()
    destination = models.ScheduledPlanDestination(
        type="s3", address="s3://bucket/ap/", format="csv", parameters='{"access_key_id":"AK","region":"eu"}',
        secret_parameters='{"secret_access_key":"hush"}')
    flags = {"require_results": False, "require_no_results": False, "require_change": False}
    body = models.WriteScheduledPlan(
        name="Nightly", look_id=sandbox.look, crontab="0 5 * * *", scheduled_plan_destination=[destination], **flags)
    error = refused(lambda: sdk.create_scheduled_plan(models.WriteScheduledPlan(look_id=sandbox.look)))
    expect(status(sandbox), 422)
    fields = {one.field for one in error.errors}
    expect(fields, {"name", "crontab", "scheduled_plan_destination", *flags})
    plan = sdk.create_scheduled_plan(body)
    expect(plan.scheduled_plan_destination[0].secret_parameters, None, "the secret")
    if [one.id for one in sdk.scheduled_plans_for_look(sandbox.look, all_users=True)].count(plan.id) != 1:
        raise AssertionError("the plan is not among those of its look")
    expect(sdk.update_scheduled_plan(plan.id, models.WriteScheduledPlan(name="Monthly")).name, "Monthly")
    expect(sdk.scheduled_plan_run_once(body).run_once, True)
    sdk.delete_scheduled_plan(plan.id)
    refused(lambda: sdk.scheduled_plan(plan.id))
    expect(status(sandbox), 404)


@check("triggering a datagroup runs the plans that wait for it")
def trigger(sandbox):
    sdk = sandbox.client()
    already = len(sandbox.received())
    now = sandbox.advance(1)
    sdk.update_datagroup(sdk.all_datagroups()[0].id, models.WriteDatagroup(triggered_at=now))
    new = [post["body"]["scheduled_plan"]["scheduled_plan_id"] for post in sandbox.received()[already:]]
    expect(new, [int(sandbox.triggered_plan)], "the plans that ran")
    expect(jobs(sdk, sandbox.triggered_plan), ["success"])


@check("looks and dashboards are there and run")
def content(sandbox):
    sdk = sandbox.client()
    expect(sdk.look(sandbox.look).title, "AP by status")
    rows = json.loads(sdk.run_look(sandbox.look, "json", apply_formatting=False))
    expect([row["ap_invoices.status"] for row in rows], ["A", "H", "P"])
    expect(sdk.dashboard(sandbox.dashboard).dashboard_elements[0].query.view, "ap_invoices")


@check("a lost reply is an error to the client although the work is done")
def lost_reply(sandbox):
    sdk = sandbox.client()
    sdk.all_datagroups()
    already = len(sandbox.received())
    sandbox.fault(f"POST /api/4.0/scheduled_plans/{sandbox.plan}/run_once", "lost_reply")
    refused(lambda: sdk.scheduled_plan_run_once_by_id(sandbox.plan))
    expect(len(sandbox.received()), already + 1, "the number of deliveries")


def expiry(program):
    """b. a token older than expires_in is a 401, and the client logs in again when its own clock says so"""
    with Sandbox(program, "12") as sandbox:
        sdk = sandbox.client()
        sdk.all_datagroups()
        expect(sdk.auth.token.expires_in, 12)
        # The server's clock runs ahead: the client still believes in its token.
        sandbox.advance(13)
        refused(sdk.all_datagroups)
        expect(status(sandbox), 401)
        # The client takes a token for dead ten seconds before its end.
        time.sleep(2.2)
        sdk.all_datagroups()
        expect(sandbox.count_calls("POST", "/api/4.0/login"), 2, "the number of log-ins")


def attempt(says, work):
    try:
        work()
    except Exception as error:  # every kind of failure is one line here
        print(f"FAILED  {says}\n        {type(error).__name__}: {error}")
        return False
    print(f"ok      {says}")
    return True


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    program = sys.argv[1]
    with Sandbox(program) as sandbox:
        good = [attempt(says, lambda work=work: work(sandbox)) for says, work in CHECKS]
    good.append(attempt(expiry.__doc__, lambda: expiry(program)))
    print(f"{sum(good)} of {len(good)} checks hold")
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()

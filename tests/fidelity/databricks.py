#!/usr/bin/env python3
"""Proves the Databricks simulator with a client that nobody here wrote: Databricks' own `databricks-sdk`.

Usage: databricks.py PROGRAM

PROGRAM is the built example `databricks` of the sandbox crate. Each check prints one line; the exit code is 0 when all
hold. Without the packages the script says so and ends with 77, which test runners take as left out.
"""

import datetime
import decimal
import io
import json
import subprocess
import sys
import time
import traceback
import urllib.request

# This file is called as the package is, and its folder comes first.
sys.path.pop(0)

try:
    import pyarrow
    import pyarrow.parquet
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.core import Config
    from databricks.sdk.errors import DatabricksError, NotFound, PermissionDenied, ResourceAlreadyExists
    from databricks.sdk.errors.platform import AlreadyExists
    from databricks.sdk.service import sql as sqlapi
    from databricks.sdk.service.catalog import VolumeType
except ImportError as missing:
    print(f"left out: {missing}; pip install -r requirements.txt")
    sys.exit(77)

FINAL = ("SUCCEEDED", "FAILED", "CANCELED", "CLOSED")


class Sandbox:
    """A simulator of its own, as the JSON line of the program describes it."""

    def __init__(self, program, *arguments):
        self.process = subprocess.Popen([program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.place = json.loads(self.process.stdout.readline())
        self._client = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(timeout=10)

    def __getattr__(self, name):
        return self.place[name]

    @property
    def client(self):
        if self._client is None:
            self._client = self.log_in()
        return self._client

    def log_in(self, secret=None, token=None):
        if token:
            config = Config(host=self.url, token=token, retry_timeout_seconds=5)
        else:
            secret = secret or self.client_secret
            config = Config(host=self.url, client_id=self.client_id, client_secret=secret, retry_timeout_seconds=5)
        return WorkspaceClient(config=config)

    def ask(self, method, url, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data=data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def advance(self, seconds):
        return self.ask("POST", f"{self.control}/clock", {"advance_seconds": seconds})["now"]

    def fault(self, calls, fault, **more):
        self.ask("POST", f"{self.control}/faults", {"calls": calls, "times": 1, "fault": fault, **more})

    def calls(self):
        return self.ask("GET", f"{self.control}/calls")

    def count_calls(self, method, path):
        return sum(call["method"] == method and call["path"] == path for call in self.calls())

    def execute(self, statement, **more):
        more.setdefault("warehouse_id", self.warehouse)
        return self.client.statement_execution.execute_statement(statement=statement, **more)

    def end(self, answer):
        for _ in range(500):
            if answer.status.state.value in FINAL:
                return answer
            time.sleep(0.01)
            answer = self.client.statement_execution.get_statement(answer.statement_id)
        raise AssertionError("the statement does not end")

    def rows(self, statement, **more):
        answer = self.end(self.execute(statement, **more))
        expect(answer.status.state.value, "SUCCEEDED", f"{statement}: {answer.status.error}; its state")
        return answer.result.data_array if answer.result else []

    def fails(self, statement, **more):
        answer = self.end(self.execute(statement, **more))
        expect(answer.status.state.value, "FAILED", f"the state of {statement}")
        return answer.status.error.message, state_of(answer)


def state_of(answer):
    """The SQLSTATE, which the client keeps in the status."""
    return getattr(answer.status, "sql_state", None) or answer.status.error.message.rsplit("SQLSTATE: ", 1)[-1]


def refused(work, *kinds):
    """The error of a call that must fail."""
    try:
        work()
    except kinds or (DatabricksError,) as error:
        return error
    raise AssertionError("the call went through")


def expect(found, wanted, what="it"):
    if found != wanted:
        raise AssertionError(f"{what} is {found!r} instead of {wanted!r}")


def expect_in(part, whole):
    if part not in whole:
        raise AssertionError(f"{part!r} is not in {whole!r}")


INVOICES = pyarrow.schema(
    [
        pyarrow.field("id", pyarrow.string()),
        pyarrow.field("amount", pyarrow.decimal128(18, 2)),
        pyarrow.field("invoice_date", pyarrow.date32()),
        pyarrow.field("changed_at", pyarrow.timestamp("us", tz="UTC")),
        pyarrow.field("paid", pyarrow.bool_()),
        pyarrow.field("lines", pyarrow.int64()),
    ]
)


def invoices(*rows):
    """A Parquet file of invoices: id, amount, and the same of everything else."""
    at = datetime.datetime(2026, 11, 21, 9, 30, 0, 123456, tzinfo=datetime.timezone.utc)
    table = pyarrow.Table.from_pylist(
        [
            {
                "id": key,
                "amount": None if amount is None else decimal.Decimal(amount),
                "invoice_date": datetime.date(2026, 11, 20),
                "changed_at": at,
                "paid": False,
                "lines": 3,
            }
            for key, amount in rows
        ],
        schema=INVOICES,
    )
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file, compression="zstd")
    return io.BytesIO(file.getvalue())


COLUMNS = "id STRING, amount DECIMAL(18,2), invoice_date DATE, changed_at TIMESTAMP, paid BOOLEAN, lines BIGINT"


def table(sandbox, name, properties=""):
    sandbox.rows(f"CREATE TABLE main.erp.{name} ({COLUMNS.replace('id STRING', 'id STRING NOT NULL', 1)}) {properties}")


def merge(name, folder):
    return f"""
        MERGE INTO main.erp.{name} AS t
        USING (SELECT * EXCEPT(_rn) FROM (
                 SELECT *, row_number() OVER (PARTITION BY id ORDER BY changed_at DESC) AS _rn
                 FROM read_files('/Volumes/main/erp/landing/{folder}/', format => 'parquet', schema => '{COLUMNS}',
                                 schemaEvolutionMode => 'none'))
               WHERE _rn = 1) AS s
        ON t.id = s.id
        WHEN MATCHED AND NOT (t.amount <=> s.amount) THEN UPDATE SET *
        WHEN NOT MATCHED THEN INSERT *"""


# The checks.


def a_wrong_secret_shows_at_the_first_call(sandbox):
    wrong = sandbox.log_in(secret="not it")
    error = refused(lambda: wrong.current_user.me(), ValueError)
    expect_in("invalid_client", str(error))


def tokens_and_personal_tokens_are_taken(sandbox):
    expect(sandbox.rows("SELECT 1 AS one"), [["1"]])
    by_token = sandbox.log_in(token=sandbox.token)
    answer = by_token.statement_execution.execute_statement("SELECT 2", sandbox.warehouse)
    expect(answer.result.data_array, [["2"]])
    sent = [call for call in sandbox.calls() if call["path"] == "/api/2.0/sql/statements"]
    headers = dict(sent[-1]["headers"])
    expect(headers["x-databricks-workspace-id"], "1234567890", "the workspace's id in the call")


def parameters_have_types(sandbox):
    parameters = [sqlapi.StatementParameterListItem(name="a", value="1", type="BIGINT")]
    answer = sandbox.execute("SELECT :a AS id", parameters=parameters)
    expect(answer.result.data_array, [["1"]])
    column = answer.manifest.schema.columns[0]
    expect((column.name, column.type_name.value, column.type_text), ("id", "LONG", "BIGINT"))
    money = [
        sqlapi.StatementParameterListItem(name="m", value="12.5", type="DECIMAL(18,4)"),
        sqlapi.StatementParameterListItem(name="n"),
    ]
    answer = sandbox.execute("SELECT :m AS m, :n AS n", parameters=money)
    expect(answer.result.data_array, [["12.5000", None]])
    column = answer.manifest.schema.columns[0]
    expect((column.type_precision, column.type_scale), (18, 4))
    bad = [sqlapi.StatementParameterListItem(name="a", value="x", type="INT")]
    expect_in("[CAST_INVALID_INPUT]", sandbox.fails("SELECT :a", parameters=bad)[0])
    expect_in("[UNBOUND_SQL_PARAMETER]", sandbox.fails("SELECT :a")[0])


def waiting_has_rules(sandbox):
    answer = sandbox.execute("SELECT 1", wait_timeout="0s")
    expect(answer.status.state.value, "PENDING")
    expect(sandbox.end(answer).result.data_array, [["1"]])
    for wrong in ("3s", "51s", "ten"):
        error = refused(lambda: sandbox.execute("SELECT 1", wait_timeout=wrong))
        expect(error.error_code, "INVALID_PARAMETER_VALUE")


def bad_sql_is_a_failed_statement(sandbox):
    message, state = sandbox.fails("SELEC 1")
    expect_in("[PARSE_SYNTAX_ERROR]", message)
    expect(state, "42601")
    message, state = sandbox.fails("SELECT * FROM main.erp.nothing")
    expect_in("[TABLE_OR_VIEW_NOT_FOUND]", message)
    expect(state, "42P01")


def large_results_do_not_fit_inline(sandbox):
    query = "SELECT id, repeat('x', 1000) AS x FROM range(27000)"
    message, _ = sandbox.fails(query)
    expect_in("EXTERNAL_LINKS", message)
    answer = sandbox.execute(query, disposition=sqlapi.Disposition.EXTERNAL_LINKS)
    link = answer.result.external_links[0]
    with urllib.request.urlopen(link.external_link, timeout=10) as fetched:
        rows = json.load(fetched)
    expect((len(rows), rows[1][0]), (1000, "1"))
    carrying = urllib.request.Request(link.external_link, headers={"Authorization": "Bearer x"})
    error = refused(lambda: urllib.request.urlopen(carrying, timeout=10), urllib.error.HTTPError)
    expect(error.code, 400)


def chunks_follow_each_other(sandbox):
    answer = sandbox.execute("SELECT id FROM range(1500) ORDER BY id")
    expect((answer.manifest.total_chunk_count, answer.manifest.total_row_count), (2, 1500))
    expect(answer.result.next_chunk_index, 1)
    second = sandbox.client.statement_execution.get_statement_result_chunk_n(answer.statement_id, 1)
    expect((second.row_offset, second.row_count, second.data_array[-1]), (1000, 500, ["1499"]))
    expect(second.next_chunk_index, None)
    limited = sandbox.execute("SELECT id FROM range(1500)", row_limit=10)
    expect((limited.manifest.truncated, limited.manifest.total_row_count), (True, 10))


def results_are_kept_for_an_hour(sandbox):
    answer = sandbox.execute("SELECT 1")
    sandbox.advance(3601)
    # A personal token does not die meanwhile.
    by_token = sandbox.log_in(token=sandbox.token)
    later = by_token.statement_execution.get_statement(answer.statement_id)
    expect((later.status.state.value, later.result), ("CLOSED", None))


def files_are_put_and_listed(sandbox):
    files, folder = sandbox.client.files, f"{sandbox.volume}/a b"
    files.upload(f"{folder}/x.txt", io.BytesIO(b"hello"), overwrite=True)
    expect(files.download(f"{folder}/x.txt").contents.read(), b"hello")
    about = files.get_metadata(f"{folder}/x.txt")
    expect(about.content_length, 5)
    error = refused(lambda: files.upload(f"{folder}/x.txt", io.BytesIO(b"again"), overwrite=False), AlreadyExists)
    expect(error.error_code, "ALREADY_EXISTS")
    files.upload(f"{folder}/x.txt", io.BytesIO(b"again"), overwrite=True)
    listed = list(files.list_directory_contents(folder))
    expect([(entry.name, entry.is_directory, entry.file_size) for entry in listed], [("x.txt", False, 5)])
    files.create_directory(f"{sandbox.volume}/deep/er")
    expect([entry.name for entry in files.list_directory_contents(f"{sandbox.volume}/deep")], ["er"])
    files.delete_directory(f"{sandbox.volume}/deep/er")
    files.delete(f"{folder}/x.txt")
    refused(lambda: files.get_metadata(f"{folder}/x.txt"), NotFound)
    refused(lambda: files.upload("/Volumes/main/erp/no_such/x", io.BytesIO(b"x"), overwrite=True), NotFound)


def a_large_file_comes_in_parts(sandbox):
    content = bytes(range(256)) * (60 << 12)
    path = f"{sandbox.volume}/large.bin"
    sandbox.client.files.upload(path, io.BytesIO(content), overwrite=True)
    expect(sandbox.client.files.get_metadata(path).content_length, len(content))
    expect(sandbox.client.files.download(path).contents.read() == content, True, "the file as it was sent")


def a_merge_of_files_changes_nothing_the_second_time(sandbox):
    table(sandbox, "ap_invoices")
    sandbox.client.files.upload(f"{sandbox.volume}/b-01/part-1.parquet", invoices(("A", "1.10"), ("B", None)))
    sandbox.client.files.upload(f"{sandbox.volume}/b-01/part-2.parquet", invoices(("C", "12345678901234.56"), ("A", "1.10")))
    expect(sandbox.rows(merge("ap_invoices", "b-01")), [["3", "0", "0", "3"]])
    expect(sandbox.rows(merge("ap_invoices", "b-01")), [["0", "0", "0", "0"]])
    stored = sandbox.rows("SELECT * FROM main.erp.ap_invoices ORDER BY id")
    rest = ["2026-11-20", "2026-11-21T09:30:00.123456Z", "false", "3"]
    expect(stored, [["A", "1.10", *rest], ["B", None, *rest], ["C", "12345678901234.56", *rest]])
    sandbox.client.files.upload(f"{sandbox.volume}/b-02/part-1.parquet", invoices(("B", "2.00"), ("D", "0.01")))
    expect(sandbox.rows(merge("ap_invoices", "b-02")), [["2", "1", "0", "1"]])
    expect_in("[PATH_NOT_FOUND]", sandbox.fails(merge("ap_invoices", "b-99"))[0])
    expect(sandbox.rows("SELECT sum(amount), count(*) FROM main.erp.ap_invoices"), [["12345678901237.67", "4"]])
    shown = sandbox.rows(
        "SELECT _metadata.file_name, count(*) FROM read_files('/Volumes/main/erp/landing/b-0[12]/*.parquet', "
        "format => 'parquet') GROUP BY 1 ORDER BY 1"
    )
    expect(shown, [["part-1.parquet", "4"], ["part-2.parquet", "2"]])


def duplicate_keys_in_the_source_are_refused(sandbox):
    plain = """MERGE INTO main.erp.ap_invoices AS t USING (SELECT * FROM read_files('/Volumes/main/erp/landing/b-01',
               format => 'parquet')) AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET t.lines = s.lines"""
    message, state = sandbox.fails(plain)
    expect_in("[DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE]", message)
    expect(state, "21506")


def copy_into_remembers_its_files(sandbox):
    table(sandbox, "raw")
    copy = f"COPY INTO main.erp.raw FROM '{sandbox.volume}/b-02' FILEFORMAT = PARQUET"
    expect(sandbox.rows(copy), [["2", "2", "0"]])
    expect(sandbox.rows(copy), [["0", "0", "0"]])
    sandbox.client.files.upload(f"{sandbox.volume}/b-02/part-2.parquet", invoices(("E", "5")))
    expect(sandbox.rows(copy), [["1", "1", "0"]])


def changes_have_both_images(sandbox):
    table(sandbox, "vendors", "TBLPROPERTIES (delta.enableChangeDataFeed = true)")
    sandbox.rows("INSERT INTO main.erp.vendors (id, lines) VALUES ('v1', 1), ('v2', 2)")
    sandbox.rows("UPDATE main.erp.vendors SET lines = 9 WHERE id = 'v2'")
    latest = int(sandbox.rows("DESCRIBE HISTORY main.erp.vendors LIMIT 1")[0][0])
    expect(latest, 2)
    changes = sandbox.rows(
        "SELECT id, lines, _change_type, _commit_version FROM table_changes('main.erp.vendors', 2) ORDER BY _change_type"
    )
    expect(changes, [["v2", "9", "update_postimage", "2"], ["v2", "2", "update_preimage", "2"]])
    message, _ = sandbox.fails("SELECT * FROM table_changes('main.erp.vendors', 3)")
    expect_in("[DELTA_CDC_START_VERSION_AFTER_LATEST]", message)
    message, _ = sandbox.fails("SELECT * FROM table_changes('main.erp.ap_invoices', 0)")
    expect_in("[DELTA_MISSING_CHANGE_DATA]", message)


def a_job_runs_once_per_token(sandbox):
    jobs = sandbox.client.jobs
    first = jobs.run_now(sandbox.job, idempotency_token="b-01", job_parameters={"batch_id": "b-01"})
    second = jobs.run_now(sandbox.job, idempotency_token="b-01")
    expect(second.response.run_id, first.response.run_id, "the run of the same token")
    run_id = first.response.run_id
    states = [jobs.get_run(run_id).state.life_cycle_state.value for _ in range(3)]
    expect(states, ["PENDING", "RUNNING", "TERMINATED"])
    expect(jobs.get_run(run_id).state.result_state.value, "SUCCESS")
    failing = jobs.run_now(sandbox.failing_job).response.run_id
    jobs.get_run(failing)
    expect(jobs.get_run(failing).state.result_state.value, "FAILED")


def a_sleeping_warehouse_starts(sandbox):
    warehouses = sandbox.client.warehouses
    expect(warehouses.get(sandbox.sleeping).state.value, "STOPPED")
    warehouses.start(sandbox.sleeping)
    expect(warehouses.get(sandbox.sleeping).state.value, "STARTING")
    answer = sandbox.execute("SELECT 1", warehouse_id=sandbox.sleeping)
    expect(answer.status.state.value, "PENDING")
    expect(sandbox.client.statement_execution.get_statement(answer.statement_id).status.state.value, "PENDING")
    sandbox.advance(61)
    expect(sandbox.end(answer).result.data_array, [["1"]])
    expect(warehouses.get(sandbox.sleeping).state.value, "RUNNING")
    expect([one.id for one in warehouses.list()], ["w1", "w2"])


def unity_catalog_is_read(sandbox):
    client = sandbox.client
    sandbox.rows("COMMENT ON TABLE main.erp.vendors IS 'Who sends invoices'")
    sandbox.rows("ALTER TABLE main.erp.vendors ADD COLUMNS (rating DECIMAL(5,2) COMMENT 'A to F')")
    found = client.tables.get("main.erp.vendors")
    expect(found.comment, "Who sends invoices")
    expect(found.properties["delta.enableChangeDataFeed"], "true")
    last = found.columns[-1]
    expect((last.name, last.type_name.value, last.type_text, last.comment), ("rating", "DECIMAL", "decimal(5,2)", "A to F"))
    expect((last.type_precision, last.type_scale, last.nullable), (5, 2, True))
    expect(client.tables.exists("main.erp.vendors").table_exists, True)
    expect(client.tables.exists("main.erp.nothing").table_exists, False)
    refused(lambda: client.tables.get("main.erp.nothing"), NotFound)
    expect([one.name for one in client.tables.list("main", "erp")], ["ap_invoices", "raw", "vendors"])
    client.schemas.create("etl", "main")
    refused(lambda: client.schemas.create("etl", "main"), ResourceAlreadyExists, AlreadyExists, DatabricksError)
    client.volumes.create("main", "etl", "files", VolumeType.MANAGED)
    expect(client.volumes.read("main.etl.files").full_name, "main.etl.files")


def rights_are_missing_by_name(sandbox):
    reader = sandbox.log_in(token=sandbox.reader_token)
    answer = reader.statement_execution.execute_statement("DELETE FROM main.erp.vendors", sandbox.warehouse)
    expect(answer.status.state.value, "FAILED")
    expect_in("[INSUFFICIENT_PERMISSIONS]", answer.status.error.message)
    expect_in("MODIFY", answer.status.error.message)
    expect(state_of(answer), "42501")


def statements_are_found_in_the_history(sandbox):
    tags = [sqlapi.QueryTag(key="run", value="acme/7")]
    sent = sandbox.execute("SELECT 42 /* tagged */", query_tags=tags)
    found = sandbox.client.query_history.list(filter_by=sqlapi.QueryFilter(statement_ids=[sent.statement_id]), max_results=5)
    expect([(one.query_text, one.status.value) for one in found.res], [("SELECT 42 /* tagged */", "FINISHED")])
    expect((found.res[0].query_tags[0].key, found.res[0].query_tags[0].value), ("run", "acme/7"))
    failed = sandbox.client.query_history.list(filter_by=sqlapi.QueryFilter(statuses=[sqlapi.QueryStatus.FAILED]))
    expect(all(one.error_message for one in failed.res), True, "that failed statements have words")


def throttling_is_waited_out(sandbox):
    before = sandbox.count_calls("POST", "/api/2.0/sql/statements")
    sandbox.fault("POST /api/2.0/sql/statements", "status", code=429, retry_after=1)
    expect(sandbox.rows("SELECT 1"), [["1"]])
    expect(sandbox.count_calls("POST", "/api/2.0/sql/statements") - before, 2, "how often it was sent")


def a_lost_reply_leaves_the_work_done(sandbox):
    sandbox.client.files.upload(f"{sandbox.volume}/b-03/part-1.parquet", invoices(("X", "1")), overwrite=True)
    sandbox.fault("POST /api/2.0/sql/statements", "lost_reply")
    # The client sends the statement again by itself, and it is harmless.
    expect(sandbox.rows(merge("ap_invoices", "b-03")), [["0", "0", "0", "0"]])
    expect(sandbox.rows("SELECT count(*) FROM main.erp.ap_invoices WHERE id = 'X'"), [["1"]])


def a_token_dies_in_time(program):
    with Sandbox(program, "60") as sandbox:
        expect(sandbox.rows("SELECT 1"), [["1"]])
        sandbox.advance(61)
        # The client goes by its own clock and still takes its token for alive.
        error = refused(lambda: sandbox.execute("SELECT 1"))
        expect(error.error_code, "UNAUTHENTICATED")


CHECKS = [
    a_wrong_secret_shows_at_the_first_call,
    tokens_and_personal_tokens_are_taken,
    parameters_have_types,
    waiting_has_rules,
    bad_sql_is_a_failed_statement,
    large_results_do_not_fit_inline,
    chunks_follow_each_other,
    files_are_put_and_listed,
    a_large_file_comes_in_parts,
    a_merge_of_files_changes_nothing_the_second_time,
    duplicate_keys_in_the_source_are_refused,
    copy_into_remembers_its_files,
    changes_have_both_images,
    a_job_runs_once_per_token,
    a_sleeping_warehouse_starts,
    unity_catalog_is_read,
    rights_are_missing_by_name,
    statements_are_found_in_the_history,
    throttling_is_waited_out,
    a_lost_reply_leaves_the_work_done,
    results_are_kept_for_an_hour,
]


def main(program):
    failed = 0
    with Sandbox(program) as sandbox:
        for check in [*CHECKS, a_token_dies_in_time]:
            name = check.__name__.replace("_", " ")
            try:
                check(program if check is a_token_dies_in_time else sandbox)
                print(f"ok      {name}")
            except Exception:  # noqa: BLE001: whatever goes wrong is a failed check
                failed += 1
                print(f"FAILED  {name}")
                traceback.print_exc(limit=-2, file=sys.stdout)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

#!/usr/bin/env python3
"""Reads what the program sends to Databricks with other people's parsers: its SQL with sqlglot, its files with pyarrow.

Usage: lakehouse.py FOLDER

FOLDER holds statements.json (a list of texts), *.parquet, and rows.json: for each row of the table, by its `_source_id`, the
columns as text. Every statement parses, and the files say of every row what the table says.
"""

import datetime
import decimal
import json
import pathlib
import sys

import pyarrow.parquet
import sqlglot
from sqlglot import exp

# What only Databricks has, and the parser takes as a command that it does not look into.
UNREAD = ("CREATE VOLUME", "COPY INTO", "ALTER TABLE", "CREATE SCHEMA")


def text(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, datetime.date):
        return value.isoformat()
    return str(value)


def read_statements(folder):
    texts = json.loads((folder / "statements.json").read_text())
    for statement in texts:
        plain = statement.split("*/", 1)[-1].strip()
        if plain.upper().startswith(UNREAD):
            continue
        parsed = sqlglot.parse_one(statement, read="databricks")
        assert not isinstance(parsed, exp.Command), f"not understood: {statement[:300]}"
    assert texts, "no statements"
    print(f"{len(texts)} statements parse")


def read_files(folder):
    rows = json.loads((folder / "rows.json").read_text())
    seen = {}
    for path in sorted(folder.glob("*.parquet")):
        for row in pyarrow.parquet.read_table(path).to_pylist():
            seen[row["_source_id"]] = row
    assert sorted(seen) == sorted(rows), "the files and the table have the same records"
    compared = 0
    for key, there in rows.items():
        for column, value in seen[key].items():
            if column.startswith("_") or isinstance(value, datetime.datetime):
                continue
            assert there.get(column) == (None if value is None else text(value)), (key, column, value, there.get(column))
            compared += 1
    assert compared, "nothing was compared"
    print(f"{compared} values of {len(rows)} records are the same")


folder = pathlib.Path(sys.argv[1])
read_statements(folder)
read_files(folder)

#!/usr/bin/env python3
"""Figures of published rows, straight from their CSV file: counts, exact sums, and which rows do not fit.

Nothing but the standard library, and nothing of the product: what the product says about the same rows is compared with
what this prints. Usage: figures.py invoices|order_lines FILE.csv[.gz]

Prints one JSON object: `rows`, `fit`, `rejects` (the keys of rows with a value that its column cannot hold, each as the
maps in mod.rs make them), and for every group `[rows, sum]`. No name of a supplier or a person is printed.
"""

import csv
import gzip
import json
import re
import sys
from collections import Counter, defaultdict
from datetime import datetime
from decimal import Decimal, InvalidOperation

MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def rows(path):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def number(text, digits, scale):
    """The exact value, or None when a DECIMAL(digits, scale) column cannot hold it."""
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        return None
    if not value.is_finite() or value != value.quantize(Decimal(1).scaleb(-scale)):
        return None
    return value if abs(value) < Decimal(10) ** (digits - scale) else None


def iso_date(text):
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        return None


def short_date(text):
    """`2-Jun-06`."""
    match = re.fullmatch(r"(\d{1,2})-([A-Z][a-z]{2})-(\d{2})", text)
    if not match or match[2] not in MONTHS:
        return None
    return datetime(2000 + int(match[3]), MONTHS.index(match[2]) + 1, int(match[1])).date()


def american_date(text):
    """`6/2/06`."""
    match = re.fullmatch(r"(\d{1,2})/(\d{1,2})/(\d{2})", text)
    if not match:
        return None
    try:
        return datetime(2000 + int(match[3]), int(match[1]), int(match[2])).date()
    except ValueError:
        return None


class Groups(defaultdict):
    """Per group: how many rows, and the exact sum."""

    def __init__(self):
        super().__init__(lambda: [0, Decimal(0)])

    def add(self, group, amount):
        self[group][0] += 1
        self[group][1] += amount

    def plain(self):
        return {group: [count, format(total, "f")] for group, (count, total) in sorted(self.items())}


def invoices(path):
    groups = {"business_unit": Groups(), "supplier": Groups(), "month": Groups()}
    rejects = []
    count = 0
    pay_items = Counter()
    for count, row in enumerate(rows(path), start=1):
        document = row["Document No."]
        pay_items[document] += 1
        amount = number(row["Invoiced Value"], 15, 2)
        day = iso_date(row["GL Date"])
        if amount is None or day is None:
            rejects.append(f"{document}|PV|00001|{pay_items[document]:03}|0")
            continue
        groups["business_unit"].add(row["Business Unit No."].strip(), amount)
        groups["supplier"].add(row["Address Book No."].strip(), amount)
        groups["month"].add(day.strftime("%Y-%m"), amount)
    return count, rejects, groups


def order_lines(path):
    groups = {"project": Groups(), "country": Groups(), "product_group": Groups(), "month": Groups()}
    rejects = []
    count = 0
    lines = Counter()
    for count, row in enumerate(rows(path), start=1):
        order = row["PO / SO #"]
        lines[order] += 1
        amount = number(row["Line Item Value"], 15, 2)
        fits = [
            amount,
            number(row["Unit Price"], 19, 4),
            number(row["Line Item Quantity"], 19, 4),
            # Where freight was not charged by itself, the column says so in words.
            number(row["Freight Cost (USD)"], 15, 2),
            american_date(row["PO Sent to Vendor Date"]),
            short_date(row["Scheduled Delivery Date"]),
            short_date(row["Delivered to Client Date"]),
        ]
        if any(value is None for value in fits):
            digits = re.sub(r"\D", "", order)
            rejects.append(f"{int(digits)}|{order[:2]}|00001|000|{lines[order]}")
            continue
        groups["project"].add(row["Project Code"].strip(), amount)
        groups["country"].add(row["Country"].strip(), amount)
        groups["product_group"].add(row["Product Group"].strip(), amount)
        groups["month"].add(short_date(row["Delivered to Client Date"]).strftime("%Y-%m"), amount)
    return count, rejects, groups


def main():
    figures = {"invoices": invoices, "order_lines": order_lines}
    if len(sys.argv) != 3 or sys.argv[1] not in figures:
        sys.exit(__doc__)
    count, rejects, groups = figures[sys.argv[1]](sys.argv[2])
    answer = {"rows": count, "fit": count - len(rejects), "rejects": rejects}
    answer.update({name: group.plain() for name, group in groups.items()})
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()

"""Checks a generated LookML project with parsers that are not ours: `lkml` for LookML, PyYAML for dashboards.

    python tests/fidelity/lookml.py DIR

Prints one line per check and ends with 1 when one fails. Needs `pip install lkml pyyaml`.
"""

import pathlib
import re
import sys

import lkml
import yaml

REFERENCE = re.compile(r"\$\{([^}]*)\}")
NAME = re.compile(r"[a-z0-9_]+")
# The parameters of a tile that the query of it names fields in.
FIELD_LISTS = ("fields", "pivots", "fill_fields")

failed = 0


def check(what, problems):
    """Says whether a check passed, and if not, why."""
    global failed
    problems = list(problems)
    failed += bool(problems)
    print(f"{'FAIL' if problems else 'ok  '} {what}")
    for problem in problems:
        print(f"     {problem}")


def parsed(path, load):
    try:
        content = load(path.read_text(encoding="utf-8"))
    except (SyntaxError, yaml.YAMLError) as error:
        check(f"{path} is read", [str(error).splitlines()[0]])
        return None
    check(f"{path} is read", [])
    return content


def fields_of(view):
    """The fields of a view, each with what kind it is. A name that comes twice is listed twice."""
    fields = [(field["name"], "dimension") for field in view.get("dimensions", [])]
    fields += [(field["name"], "measure") for field in view.get("measures", [])]
    for group in view.get("dimension_groups", []):
        fields += [(f"{group['name']}_{timeframe}", "dimension") for timeframe in group["timeframes"]]
    return fields


def sqls(node):
    """Every piece of SQL in a part of LookML."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key.startswith("sql") and isinstance(value, str):
                yield value
            else:
                yield from sqls(value)
    elif isinstance(node, list):
        for item in node:
            yield from sqls(item)


def check_view(view):
    name = view["name"]
    fields = fields_of(view)
    names = [field for field, _ in fields]
    check(f"view {name}: names are lower-case letters, digits and _", [n for n in [name, *names] if not NAME.fullmatch(n)])
    check(f"view {name}: no field stands twice", sorted({n for n in names if names.count(n) > 1}))
    keys = [field["name"] for field in view.get("dimensions", []) if field.get("primary_key") == "yes"]
    check(f"view {name}: one primary key", [] if len(keys) == 1 else [f"there are {len(keys)}: {keys}"])
    referred = {reference for sql in sqls(view) for reference in REFERENCE.findall(sql)} - {"TABLE"}
    check(f"view {name}: its SQL names its own fields", sorted(referred - set(names)))
    sets = {field for set_ in view.get("sets", []) for field in set_["fields"]}
    check(f"view {name}: its sets name its own fields", sorted(sets - set(names)))
    return dict(fields)


def check_model(root, model, path, views):
    """Checks a model; gives the fields of each explore."""
    missing = [include for include in model.get("includes", []) if not (root / include.lstrip("/")).is_file()]
    check(f"{path.name}: what it includes is there", missing)
    datagroups = {group["name"] for group in model.get("datagroups", [])}
    check(f"{path.name}: it persists with a datagroup of its own", {model.get("persist_with")} - datagroups)
    formats = {f"decimal_{digits}" for digits in range(5)} | {"id"}
    formats |= {format_["name"] for format_ in model.get("named_value_formats", [])}
    wanted = {
        field["value_format_name"]
        for view in views.values()
        for kind in ("dimensions", "measures")
        for field in view["view"].get(kind, [])
        if "value_format_name" in field
    }
    check(f"{path.name}: every named format is known", sorted(wanted - formats))
    explores = {}
    for explore in model.get("explores", []):
        name = explore["name"]
        fields = {}
        joined = {name: explore.get("from", name)}
        joined |= {join["name"]: join.get("from", join["name"]) for join in explore.get("joins", [])}
        check(f"explore {name}: its views are there", [view for view in joined.values() if view not in views])
        for alias, view in joined.items():
            for field, kind in views.get(view, {"fields": {}})["fields"].items():
                fields[f"{alias}.{field}"] = kind
        referred = {reference for sql in sqls(explore) for reference in REFERENCE.findall(sql)}
        check(f"explore {name}: its SQL names fields that are there", sorted(referred - set(fields)))
        several = [join["name"] for join in explore.get("joins", []) if join.get("relationship") != "many_to_one"]
        check(f"explore {name}: no join multiplies rows", several)
        deleted = [join["name"] for join in explore.get("joins", []) if f"NOT ${{{join['name']}.is_deleted}}" not in join["sql_on"]]
        deleted += [] if explore.get("sql_always_where") == f"NOT ${{{name}.is_deleted}}" else [name]
        check(f"explore {name}: deleted records are left out", deleted)
        explores[(path.name.removesuffix(".model.lkml"), name)] = fields
    return explores


def named_in(tile):
    """The fields that a tile names."""
    for key in FIELD_LISTS:
        yield from tile.get(key, [])
    yield from (sort.split()[0] for sort in tile.get("sorts", []))
    yield from tile.get("filters", {})
    yield from tile.get("listen", {}).values()


def check_dashboard(dashboard, explores):
    name = dashboard["dashboard"]
    filters = {filter_["name"] for filter_ in dashboard.get("filters", [])}
    elements = dashboard["elements"]
    names = [element["name"] for element in elements]
    check(f"dashboard {name}: no element stands twice", sorted({n for n in names if names.count(n) > 1}))
    for part in [*dashboard.get("filters", []), *elements]:
        what = f"dashboard {name}: {part['name']}"
        fields = explores.get((part["model"], part["explore"]))
        if fields is None:
            check(what, [f"there is no explore {part['model']}::{part['explore']}"])
            continue
        named = {part["field"]} if "field" in part else set(named_in(part))
        problems = [f"{field} is no field of {part['explore']}" for field in sorted(named - set(fields))]
        problems += [f"{pivot} is pivoted and not shown" for pivot in part.get("pivots", []) if pivot not in part["fields"]]
        problems += [f"it listens to {listened}" for listened in set(part.get("listen", {})) - filters]
        if part.get("type") == "looker_column" and fields.get(part["fields"][-1]) != "measure":
            problems.append("it has no measure")
        check(what, problems)
    spaces = {}
    for element in elements:
        for row in range(element["row"], element["row"] + element["height"]):
            for column in range(element["col"], element["col"] + element["width"]):
                spaces.setdefault((row, column), []).append(element["name"])
    outside = {names[0] for (_, column), names in spaces.items() if column >= 24}
    overlaps = {" and ".join(names) for names in spaces.values() if len(names) > 1}
    check(f"dashboard {name}: its elements lie beside each other", sorted(outside | overlaps))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    root = pathlib.Path(sys.argv[1])
    contents = {path: parsed(path, lkml.load) for path in sorted(root.rglob("*.lkml"))}
    views = {}
    for content in filter(None, contents.values()):
        for view in content.get("views", []):
            views[view["name"]] = {"view": view, "fields": check_view(view)}
    explores = {}
    models = {path: content for path, content in contents.items() if content and path.name.endswith(".model.lkml")}
    for path, model in models.items():
        explores |= check_model(root, model, path, views)
    check("there are views, a model and explores", [] if views and models and explores else [f"nothing is in {root}"])
    for path in sorted(root.rglob("*.dashboard.lookml")):
        for dashboard in parsed(path, yaml.safe_load) or []:
            check_dashboard(dashboard, explores)
    print(f"{failed} checks failed" if failed else "all checks passed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Renders the templates of jinja-cases.json with Python's jinja2 (3.1.6) and writes what comes out back into the file.

To add a case, add {"template": "..."} to the list and run this script. "text" is what jinja2 renders; "error" says how it fails:
"Syntax" where it does not parse, "Raised" where the template calls raise_exception, "Runtime" otherwise.
"""
import copy
import datetime
import json
import pathlib

import jinja2
from jinja2 import ext, nodes
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import escape

FILE = pathlib.Path(__file__).with_name("jinja-cases.json")


class Generation(ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


class Raised(Exception):
    pass


def raise_exception(message):
    raise Raised(message)


def tojson(value, indent=None, ensure_ascii=False, separators=None, sort_keys=False):
    return json.dumps(value, indent=indent, ensure_ascii=ensure_ascii, separators=separators, sort_keys=sort_keys)


env = SandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[ext.loopcontrols, ext.do, Generation])
env.filters.update(tojson=tojson, safe=str, e=lambda x: str(escape(str(x))))
env.globals["raise_exception"] = raise_exception
env.globals["strftime_now"] = lambda f: datetime.datetime(2026, 1, 15, 10, 30).strftime(f)


def render(template, variables):
    try:
        return {"text": env.from_string(template).render(**copy.deepcopy(variables))}
    except Raised as e:
        return {"error": "Raised", "message": str(e)}
    except jinja2.TemplateSyntaxError:
        return {"error": "Syntax"}
    except Exception:
        return {"error": "Runtime"}


data = json.loads(FILE.read_text(encoding="utf-8"))
data["cases"] = [{"template": c["template"], **render(c["template"], data["variables"])} for c in data["cases"]]
lines = ",\n".join("    " + json.dumps(c, ensure_ascii=False) for c in data["cases"])
FILE.write_text(
    '{\n  "variables": ' + json.dumps(data["variables"], ensure_ascii=False) + ',\n  "cases": [\n' + lines + "\n  ]\n}\n", encoding="utf-8")

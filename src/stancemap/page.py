"""An audit as one self-contained page: no script, no font, no picture from elsewhere.

Why: a page can be mailed, kept beside a paper, and read where nothing is installed.
"""

from __future__ import annotations

import re

from stancemap.audit import Audit

TEMPLATE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Audit: {{ audit.title }}</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
  h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.5rem } p { color: #555; max-width: 45rem }
  table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums }
  th { text-align: left; border-bottom: 2px solid #333 } th, td { padding: .2rem .7rem; vertical-align: top }
  td { border-bottom: 1px solid #ddd } td.share { min-width: 6rem; text-align: right } td.number { text-align: right }
  td.bad { color: #fff; background: #b3261e; font-weight: bold } li { margin: .5rem 0; overflow-wrap: anywhere }
</style>
<h1>Audit: {{ audit.title }}</h1>
{% if audit.breaches %}<h2>Broken bounds</h2>
<ul>{% for fault in audit.breaches %}<li>{{ fault }}</li>{% endfor %}</ul>
{% else %}<p>Every bound in the dataset's config is kept.</p>{% endif %}
{% for table in audit.tables %}
<h2>{{ table.title }}</h2>
<p>{{ table.note }}</p>
<table>
<tr>{% for name in table.rows[0] %}<th>{{ name }}</th>{% endfor %}</tr>
{% for row in table.rows[1:] %}<tr>{% for text in row %}{{ cell(text) }}{% endfor %}</tr>
{% endfor %}</table>
{% endfor %}
</html>
"""
_SHARE = re.compile(r"\d+\.\d%")  # not the bounds, which are whole
_NUMBER = re.compile(r"[-+]?\d[\d,.]*")


def render(audit: Audit) -> str:
    """The page, with a bar behind every share.

    Examples
    --------
    >>> from stancemap.checks import Table
    >>> page = render(Audit("Few rows", (Table("Cues", "By label.", (("cue", "pro"), ("home", "61.0%"))),), ()))
    >>> "Every bound" in page, "transparent 61.0%" in page
    (True, True)
    """
    from jinja2 import Environment

    page = Environment(autoescape=True, trim_blocks=True, keep_trailing_newline=True).from_string(TEMPLATE)
    return page.render(audit=audit, cell=_cell)


def _cell(text: str) -> object:
    from markupsafe import Markup

    if _SHARE.fullmatch(text):
        bar = f"background: linear-gradient(90deg, #c9dcea {text}, transparent {text})"
        return Markup('<td class="share" style="{}">{}</td>').format(bar, text)
    kind = "bad" if text == "NO" else "number" if _NUMBER.fullmatch(text) else "text"
    return Markup('<td class="{}">{}</td>').format(kind, text)

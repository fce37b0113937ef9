"""Templates: what they are given is escaped, and what they miss is an error rather than nothing."""

import pytest
from jinja2 import UndefinedError

from glorotlab.pages import render


def test_texts_are_escaped_and_missing_values_refused(tmp_path):
    template = tmp_path / "page.html.jinja"
    template.write_text("<p>{{ text }}</p>\n")
    assert render(template, text="<b> & 'c'") == "<p>&lt;b&gt; &amp; &#39;c&#39;</p>\n"
    with pytest.raises(UndefinedError, match="'text' is undefined"):
        render(template, other="")

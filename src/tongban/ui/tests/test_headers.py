"""Security headers stand on every answer, also on errors; form-action follows the federation (stack.md, T-… cross-site)."""

from __future__ import annotations

import pytest

from tongban.ui.tests.make import HTML, browser

EXPECTED = {
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
}


@pytest.mark.parametrize("path", ["/form", "/nowhere", "/boom", "/fail/later", "/fail/signin"])
def test_headers_on_every_answer(path):
    with browser() as client:
        answer = client.get(path, headers=HTML)
    for name, value in EXPECTED.items():
        assert answer.headers[name] == value
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "camera=(self)" in answer.headers["permissions-policy"]


def test_form_action_names_the_nodes_a_sign_in_may_lead_to():
    nodes = ["http://cn.localhost:8100"]
    with browser(form_action=lambda: tuple(nodes)) as client:
        assert "form-action 'self' http://cn.localhost:8100" in client.get("/form").headers["content-security-policy"]
        nodes.append("http://510000.localhost:8104")
        assert "http://510000.localhost:8104" in client.get("/form").headers["content-security-policy"]


def test_pages_carry_no_inline_script_or_style():
    with browser() as client:
        for path in ("/form", "/nowhere"):
            page = client.get(path, headers=HTML).text
            assert " style=" not in page
            assert "<style" not in page
            assert "onclick" not in page
            assert page.count("<script") == page.count('<script type="module" src="/static/')

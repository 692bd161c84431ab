"""Every failure has a sentence, something to do, somebody to ask, a trace id, the right status (ux.md 2.1 出错)."""

from __future__ import annotations

import json

import pytest

from tongban.kernel.actor import Actor
from tongban.kernel.gm import Personal
from tongban.ui.tests.make import HTML, browser


@pytest.fixture
def client():
    with browser() as one:
        yield one


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/nowhere", 404, "没有找到这一页"),
        ("GET", "/static/none.css", 404, "没有找到这一页"),
        ("POST", "/boom", 405, "这个地址不能这样打开"),
        ("GET", "/boom", 500, "我们这边出了错，不是你的问题"),
        ("GET", "/fail/later", 503, "四川省暂时连不上"),
    ],
)
def test_the_error_page(client, method, path, status, words):
    answer = client.request(method, path, headers=HTML)
    assert answer.status_code == status
    assert "<title>出错了：" + words in answer.text
    assert f"<h1>{words}</h1>" in answer.text
    assert "12345" in answer.text
    assert answer.headers["x-trace-id"] in answer.text
    assert 'href="/search"' in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_nothing_internal_reaches_the_page(client, caplog):
    answer = client.get("/boom", headers=HTML)
    assert "secret-inside" not in answer.text
    assert "RuntimeError" not in answer.text


def test_machines_get_problem_json(client):
    answer = client.get("/fail/later")
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem = json.loads(answer.text)
    assert (problem["status"], problem["title"]) == (503, "四川省暂时连不上")
    assert answer.headers["retry-after"] == "30"


@pytest.mark.parametrize(
    ("what", "there"),
    [
        ("signin", "/login?next=/fail/signin%3Fa%3D1"),
        ("level", "/step-up?level=3&next=/fail/level%3Fa%3D1"),
        ("staff", "/staff/login?next=/fail/staff%3Fa%3D1"),
    ],
)
def test_who_only_has_to_show_who_they_are_is_led_there_and_back(client, what, there):
    answer = client.get(f"/fail/{what}?a=1", headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, there)
    assert client.get(f"/fail/{what}").status_code in {401, 403}


def test_the_desk_keeps_its_navigation_when_a_page_fails():
    clerk = Actor(kind="staff", subject="s-1", staff_id="s-1", name=Personal("演示职员"), unit="演示窗口")
    with browser(actor=clerk) as client:
        answer = client.get("/desk/fail", headers=HTML)
    assert answer.status_code == 403
    assert 'class="st-side"' in answer.text
    assert "演示窗口" in answer.text

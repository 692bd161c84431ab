"""A stranger's page cannot send a form, and nothing typed is lost (identity.md 7, ux.md F12)."""

from __future__ import annotations

import pytest

from tongban.ui.tests.make import HOST, HTML, browser, token


@pytest.fixture
def client():
    with browser() as one:
        yield one


def test_a_form_of_our_own_page_is_read(client):
    value = token(client.get("/form").text)
    answer = client.post("/form", data={"tb_token": value, "name": "  云锦 \r\n科技 ", "way": ["a", "b"]}, headers={"origin": HOST})
    assert answer.json() == {"name": "云锦 \n科技", "ways": ["a", "b"], "photo": None, "names": ["name", "way"]}


def test_a_file_is_read_beside_the_fields(client):
    value = token(client.get("/form").text)
    answer = client.post("/form", data={"tb_token": value, "name": "云锦"}, files={"photo": ("a.jpg", b"bytes", "image/jpeg")})
    assert (answer.json()["name"], answer.json()["photo"]) == ("云锦", "bytes")


def test_an_empty_file_field_is_no_file(client):
    value = token(client.get("/form").text)
    answer = client.post("/form", data={"tb_token": value}, files={"photo": ("", b"", "application/octet-stream")})
    assert answer.status_code == 200
    assert answer.json()["photo"] is None


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.test"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": HOST},
        {"origin": "https://500000.test.evil.test"},
    ],
)
def test_another_sites_page_is_refused_even_with_a_good_token(client, headers):
    value = token(client.get("/form").text)
    answer = client.post("/form", data={"tb_token": value}, headers=headers | HTML)
    assert answer.status_code == 403
    assert "不是从本站页面发出的" in answer.text


def test_a_token_of_another_browser_is_refused(client):
    with browser() as other:
        stolen = token(other.get("/form").text)
    client.get("/form")
    assert client.post("/form", data={"tb_token": stolen}).status_code == 403


@pytest.mark.parametrize("value", ["", "x", "a" * 86, "é" * 86])
def test_no_token_or_a_made_up_one_is_refused(client, value):
    client.get("/form")
    assert client.post("/form", data={"tb_token": value}).status_code == 403


def test_without_any_cookie_no_token_holds(client):
    value = token(client.get("/form").text)
    client.cookies.clear()
    assert client.post("/form", data={"tb_token": value}).status_code == 403


def test_signing_in_meanwhile_keeps_what_was_typed(client):
    """The page was opened before the sign-in; its fields come back and can be sent with one tap."""
    value = token(client.get("/form").text)
    client.cookies.set("__Host-tb_s", "a-session-of-43-characters", domain="500000.test")
    answer = client.post("/form", data={"tb_token": value, "name": '云锦"<科技>', "way": ["a", "b"]}, headers=HTML)
    assert answer.status_code == 403
    assert "你填的都在" in answer.text
    assert 'name="name" value="云锦&quot;&lt;科技&gt;"' in answer.text
    assert answer.text.count('name="way"') == 2
    again = client.post("/form", data={"tb_token": token(answer.text), "name": "云锦"}, headers=HTML)
    assert again.status_code == 200


def test_every_token_differs_and_all_hold(client):
    first, second = token(client.get("/form").text), token(client.get("/form").text)
    assert first != second
    assert client.post("/form", data={"tb_token": first}).status_code == 200
    assert client.post("/form", data={"tb_token": second}).status_code == 200


def test_desk_pages_are_bound_to_the_staff_session(client):
    client.cookies.set("__Host-tb_s", "citizen-session", domain="500000.test")
    client.cookies.set("__Host-tb_staff", "staff-session", domain="500000.test")
    value = token(client.get("/desk/form").text)
    assert client.post("/form", data={"tb_token": value}).status_code == 403
    assert client.post("/desk/form", data={"tb_token": value}).status_code == 200


def test_too_large_a_body_says_so(client):
    answer = client.post("/form", data={"name": "x" * 250_000}, headers=HTML)
    assert answer.status_code == 413
    assert "太大" in answer.text


def test_a_body_that_is_no_form_says_so(client):
    answer = client.post("/form", content=b"\xff\x00", headers=HTML | {"content-type": "multipart/form-data; boundary="})
    assert answer.status_code in {400, 403}
    assert "出错了" in answer.text


def test_the_form_cookie_cannot_be_read_or_planted(client):
    cookie = client.get("/form").headers["set-cookie"]
    assert cookie.startswith("__Host-tb_f=")
    assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "Domain" not in cookie

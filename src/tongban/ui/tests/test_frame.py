"""One template set, two modes, several channels; the switch comes back to the same page (ux.md 0.3, 0.4, F6)."""

from __future__ import annotations

import pytest

from tongban import ui
from tongban.ui.frame import scale_of, size_of
from tongban.ui.tests.make import HTML, app, browser, citizen


@pytest.fixture
def client():
    with browser() as one:
        yield one


def test_the_switch_keeps_the_page_and_the_mode(client):
    answer = client.post("/mode", data={"mode": "elder", "back": "/form?step=2"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/form?step=2")
    page = client.get("/form").text
    assert 'data-mode="elder"' in page
    assert "长辈版</title>" in page
    client.post("/mode", data={"mode": "", "back": "/form"})
    assert "data-mode" not in client.get("/form").text


@pytest.mark.parametrize("back", ["//evil.test", "https://evil.test/", "/\\evil.test", "javascript:alert(1)", "", "/a\nb"])
def test_the_switch_never_leads_elsewhere(client, back):
    assert client.post("/mode", data={"mode": "elder", "back": back}).headers["location"] == "/"


def test_another_site_cannot_switch(client):
    assert client.post("/mode", data={"mode": "elder"}, headers={"sec-fetch-site": "cross-site"}).status_code == 403


def test_text_size_goes_up_to_double_and_back(client):
    sizes = []
    for _ in range(7):
        page = client.get("/form").text
        sizes.append(page.split("字号 ")[1].split("%")[0])
        if 'aria-label="字大一点 A+"' not in page:
            break
        bigger = page.split('aria-label="字大一点 A+"')[0].rsplit('value="', 1)[1].split('"')[0]
        client.post("/mode", data={"size": bigger, "back": "/form"})
    assert sizes == ["100", "115", "130", "150", "175", "200"]
    assert 'data-size="200"' in client.get("/form").text


def test_a_container_gives_its_text_factor_and_channel(client):
    page = client.get("/form?fs=1.4&channel=webview").text
    assert 'data-size="150"' in page or 'data-size="130"' in page
    assert 'data-channel="webview"' in page
    assert 'class="tabs"' not in page


def test_what_a_container_said_is_kept_for_the_pages_that_follow(client):
    client.get("/form?fs=2&channel=webview")
    page = client.get("/form").text
    assert 'data-channel="webview"' in page
    assert 'data-size="200"' in page


def test_a_kiosk_has_its_own_bar_and_an_end(client):
    client.get("/form?channel=kiosk")
    page = client.get("/form").text
    assert 'class="kio-bar"' in page
    assert 'class="tabs"' not in page
    with browser(actor=citizen()) as signed:
        signed.cookies.set("tb_channel", "kiosk", domain="500000.test")
        assert 'id="kiosk-end"' in signed.get("/form").text


def test_every_page_of_the_app_is_known():
    assert ui.page_paths(app()) == {"/dev/components"}


@pytest.mark.parametrize(("text", "size"), [("100", 100), ("160", 150), ("9999", 100), ("-3", 100), ("", 100), ("x", 100), ("500", 200)])
def test_any_size_becomes_an_allowed_one(text, size):
    assert size_of(text) == size


@pytest.mark.parametrize(("text", "size"), [("1.4", 130), ("2.5", 200), ("nan", 100), ("x", 100), ("inf", 100)])
def test_any_factor_becomes_an_allowed_size(text, size):
    assert scale_of(text) == size


def test_strange_cookies_are_read_as_the_plain_look(client):
    for name, value in (("tb_mode", "<b>"), ("tb_size", "'"), ("tb_channel", "tv"), ("tb_place", "../..")):
        client.cookies.set(name, value, domain="500000.test")
    page = client.get("/form").text
    assert '<html lang="zh-CN" data-channel="h5" data-out>' in page
    assert "重庆市" in page


def test_somebody_signed_in_sees_name_messages_and_is_not_stored():
    with browser(actor=citizen()) as client:
        answer = client.get("/form")
    assert "消息，3 条未读" in answer.text
    assert "/login" not in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_a_kept_page_is_made_once_for_each_look(client):
    first = client.get("/public", headers={"accept-encoding": "gzip"})
    assert first.headers["etag"]
    assert client.get("/public", headers={"if-none-match": first.headers["etag"]}).status_code == 304
    client.post("/mode", data={"mode": "elder", "back": "/"})
    elder = client.get("/public")
    assert 'data-mode="elder"' in elder.text
    assert elder.headers["etag"] != first.headers["etag"]
    assert client.get("/public", headers={"accept-encoding": "identity"}).text == elder.text


def test_a_page_of_somebody_signed_in_is_never_kept():
    with browser(actor=citizen()) as client:
        assert client.get("/public", headers=HTML).status_code == 500


def test_pages_are_small(client):
    answer = client.get("/form", headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) < 14_000


def test_the_frame_of_a_kept_page_refuses_a_token():
    from tongban.ui.frame import no_token

    with pytest.raises(LookupError):
        no_token()
    assert ui.own_path("/s/1?x=y") == "/s/1?x=y"

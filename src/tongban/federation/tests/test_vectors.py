"""The test vectors of federation.md 12, byte for byte. Key: the published example of GM/T 0003.5."""

from __future__ import annotations

import json

import pytest

from tongban.federation.rules import signatures, wire
from tongban.kernel.gm import Sm2PrivateKey, digest, jcs, sm3

KEY = Sm2PrivateKey(bytes.fromhex("3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8"))
BODY = (
    '{"accepted_on":"2026-11-20","basis":{"item":"11510100MB1234567X2000131003000","version":"3"},'
    '"case":"019aa5c0-7d1e-7c3a-9f10-2b7e5a4c8d01","rev":3,"state":"accepted","term":1}'
)
BODY_DIGEST = "sm3:RgPJiXj_EB4M3oz1_fVjfZOgwyIenPOW40n2Qz84TPE"
HEAD = (
    '{"about":"case:019aa5c0-7d1e-7c3a-9f10-2b7e5a4c8d01","at":1795170613204,'
    '"body":"sm3:RgPJiXj_EB4M3oz1_fVjfZOgwyIenPOW40n2Qz84TPE","epoch":1793000000,"from":"510000",'
    '"id":"019aa5c4-02b7-7e55-8a41-6c1de0b7f902","kind":"case.state","kind_version":1,'
    '"prev":{"digest":"sm3:EDkyycgrROhLUfZFCIj6pzY7eDVpS4u_9mA2XmJ5X70","seq":4698},"seq":4712,"to":"500000","v":1}'
)
HEAD_DIGEST = "sm3:BHRdbLQ_1AkhT2Q96wgY5QLAHkFG87zYNcvldNL1fbA"
HEAD_SIGNATURE = "A2v8wXg4teB-zTzTghkaeVGToSCjUgJ7I1iWXUajAjJNirBh7htOz8aFqMz74z2J8b9dCxzR59LUc-nBA4GWKA"
CALL_BODY = b'{"number":"DEMO-0001","purpose":"case:019aa5c0-7d1e-7c3a-9f10-2b7e5a4c8d01"}'
CALL_PARAMS = (
    '("@method" "@path" "@query" "content-digest" "content-type" "tongban-from" "tongban-to" "tongban-budget" '
    '"idempotency-key");created=1795170613;expires=1795170643;nonce="q2Zp3oYw1kT0m8Vb5s9dXg";keyid="500000/s1";'
    'alg="sm2-sm3";tag="tongban-call-1"'
)
CALL_HEADERS = {
    "content-digest": "sm3=:ePkmHVLw2tP61yKm6VjaaWHTXet0P7Wbf/1RlasLm6g=:", "content-type": "application/json",
    "tongban-from": "500000", "tongban-to": "mps", "tongban-budget": "2500",
    "idempotency-key": "019aa5c4-5d10-7a02-b1c7-0f3e9a6d4c11", "signature-input": f"tb={CALL_PARAMS}",
    "signature": "tb=:iNsewy+LeGPGI9KyFG4LFXqKa+cscwGkLaFsUPVloPA4V1c52HDHP5/Al6UBPUWp/9HEYRwRrTCVZNPkcRxLeQ==:",
}  # fmt: skip
CALL = {"method": "POST", "path": "/federation/call/mps.person.check", "query": ""}


def test_the_published_key_is_the_one_meant():
    assert KEY.public.point.hex().upper().startswith("0409F9DF")
    assert KEY.public.point.hex().upper().endswith("A9AD13")


def test_body_and_head_have_the_digests_of_the_page():
    assert jcs(json.loads(BODY)).decode() == BODY
    assert digest(BODY.encode()) == BODY_DIGEST
    assert jcs(json.loads(HEAD)).decode() == HEAD
    assert digest(HEAD.encode()) == HEAD_DIGEST


def test_the_letter_is_read_and_its_signature_holds():
    letter = wire.parse_letter(
        {"head": json.loads(HEAD), "sig": {"kid": "510000/s2", "value": HEAD_SIGNATURE}, "body": json.loads(BODY)}
    )
    assert letter.digest == HEAD_DIGEST
    assert wire.head_bytes(letter.head).decode() == HEAD
    assert wire.body_fits(letter)
    assert wire.signed_by(letter, KEY.public)


def test_the_signature_base_of_a_call_is_the_one_of_the_page():
    parameters = signatures.read_request_parameters(CALL_HEADERS)
    base = signatures.request_base(headers=CALL_HEADERS, parts=parameters.parts, params=parameters.raw, **CALL)
    assert sm3(base).hex() == "98eb7fdc1b24cf78b15609743654779e4f9f7f22bc1bbb93df6e1a5c1b4119da"
    signatures.check_parts(parameters, "POST", CALL_HEADERS)
    signatures.check_digest(CALL_BODY, CALL_HEADERS["content-digest"])
    signatures.check_request_signature(KEY.public, parameters, headers=CALL_HEADERS, **CALL)


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("method", "PUT"), ("path", "/federation/call/mps.person.checks"), ("query", "a=1"), ("tongban-from", "510000"),
        ("tongban-to", "samr"), ("tongban-budget", "2501"), ("content-type", "text/plain"),
        ("content-digest", signatures.content_digest(b"{}")), ("idempotency-key", "019aa5c4-5d10-7a02-b1c7-0f3e9a6d4c12"),
    ],
)  # fmt: skip
def test_a_change_of_any_covered_part_is_found(change, value):
    call, headers = dict(CALL), dict(CALL_HEADERS)
    (call if change in call else headers)[change] = value
    parameters = signatures.read_request_parameters(headers)
    with pytest.raises(signatures.BadMessage, match="bad_signature"):
        signatures.check_request_signature(KEY.public, parameters, headers=headers, **call)


@pytest.mark.parametrize(
    "text",
    [
        CALL_PARAMS.replace("created=1795170613", "created=1795170614"),
        CALL_PARAMS.replace("expires=1795170643", "expires=1795170673"),
        CALL_PARAMS.replace("q2Zp3oYw1kT0m8Vb5s9dXg", "q2Zp3oYw1kT0m8Vb5s9dXQ"),
        CALL_PARAMS.replace("500000/s1", "500000/s2"),
    ],
)
def test_a_change_of_any_parameter_is_found(text):
    headers = CALL_HEADERS | {"signature-input": f"tb={text}"}
    parameters = signatures.read_request_parameters(headers)
    with pytest.raises(signatures.BadMessage, match="bad_signature"):
        signatures.check_request_signature(KEY.public, parameters, headers=headers, **CALL)


@pytest.mark.parametrize(
    "text",
    [
        "", "tb=()", "sig1=" + CALL_PARAMS, f"tb={CALL_PARAMS}, x=()", f"tb={CALL_PARAMS};created=1",
        "tb=" + CALL_PARAMS.replace('alg="sm2-sm3"', 'alg="ed25519"'), "tb=" + CALL_PARAMS.replace("call-1", "answer-1"),
        "tb=" + CALL_PARAMS.replace(';nonce="q2Zp3oYw1kT0m8Vb5s9dXg"', ""), "tb=" + CALL_PARAMS.replace("created=", "created=-"),
        "tb=" + CALL_PARAMS.replace("500000/s1", "500000/S1\u00e9"),
    ],
)  # fmt: skip
def test_what_is_not_written_as_agreed_is_not_read(text):
    with pytest.raises(signatures.BadMessage, match="bad_signature"):
        signatures.read_request_parameters(CALL_HEADERS | {"signature-input": text})


def test_a_component_left_out_is_not_accepted_even_if_rightly_signed():
    headers = dict(CALL_HEADERS)
    params = CALL_PARAMS.replace(' "tongban-to"', "")
    headers["signature-input"] = f"tb={params}"
    with pytest.raises(signatures.BadMessage, match="bad_signature"):
        signatures.check_parts(signatures.read_request_parameters(headers), "POST", headers)


@pytest.mark.parametrize("length", [63, 65])
def test_signatures_of_another_length_are_refused(length):
    assert not wire.verify(KEY.public, b"x", "A" * length)

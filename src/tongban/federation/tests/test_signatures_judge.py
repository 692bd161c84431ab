"""An outside judge reads what we sign: `http-message-signatures` 3.0.0 verifies our calls and our answers.

The library is not on the path of any request (stack.md 11: it signs in another order and costs 50 times as much).
"""

from __future__ import annotations

import secrets
import time
from types import SimpleNamespace

import pytest
from http_message_signatures import HTTPMessageVerifier, HTTPSignatureAlgorithm, HTTPSignatureKeyResolver
from http_message_signatures.exceptions import InvalidSignature

from tongban.federation.rules import signatures
from tongban.kernel.gm import FileKeyStore, Sm2PrivateKey, Sm2PublicKey, b64

BODY = b'{"v":1}'


class Sm2Sm3(HTTPSignatureAlgorithm):
    """The private algorithm of this protocol, as the library wants it."""

    algorithm_id = "sm2-sm3"

    def __init__(self, public_key=None, private_key=None, password=None):
        self.public = public_key

    def sign(self, message):
        raise AssertionError("the judge only verifies")

    def verify(self, signature, message):
        if not self.public.verify(message, signature):
            raise InvalidSignature


class Keys(HTTPSignatureKeyResolver):
    def __init__(self, public: Sm2PublicKey):
        self.public = public

    def resolve_public_key(self, key_id):
        assert key_id == "500000/s1"
        return self.public


@pytest.fixture
def signer(tmp_path):
    return FileKeyStore(tmp_path / "keys", "500000").signer("s1")


def judged(message, public):
    verifier = HTTPMessageVerifier(signature_algorithm=Sm2Sm3, key_resolver=Keys(public))
    return verifier.verify(message)


def request_of(signer, **more):
    headers = signatures.sign_request(
        signer, method="POST", path="/federation/call/population.match", to="mps", budget_ms=2500, body=BODY,
        idempotency_key=None, now=int(time.time()), nonce=b64(secrets.token_bytes(16)), **more,
    )  # fmt: skip
    return SimpleNamespace(
        method="POST", url="http://mps.localhost:8101/federation/call/population.match", headers=headers
    )


def test_the_judge_accepts_our_call(signer):
    result = judged(request_of(signer), signer.public)
    assert set(result[0].covered_components) >= {'"@method"', '"tongban-to"', '"content-digest"'}


def test_the_judge_refuses_our_call_for_another_receiver(signer):
    request = request_of(signer)
    request.headers["tongban-to"] = "samr"
    with pytest.raises(InvalidSignature):
        judged(request, signer.public)


def test_the_judge_refuses_another_key(signer):
    with pytest.raises(InvalidSignature):
        judged(request_of(signer), Sm2PrivateKey.generate().public)


def answer_to(request, signer):
    headers = signatures.sign_answer(
        signer, status=200, body=BODY, content_type="application/json", directory=7,
        request_signature=request.headers["signature"].removeprefix("tb="), now=int(time.time()),
    )  # fmt: skip
    return SimpleNamespace(status_code=200, headers=headers, request=request)


def test_the_judge_accepts_our_answer_to_this_request(signer):
    request = request_of(signer)
    assert judged(answer_to(request, signer), signer.public)


def test_the_judge_refuses_our_answer_to_another_request(signer):
    answer = answer_to(request_of(signer), signer)
    answer.request = request_of(signer)
    with pytest.raises(InvalidSignature):
        judged(answer, signer.public)

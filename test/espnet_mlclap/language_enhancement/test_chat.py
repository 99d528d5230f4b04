import dataclasses
import json

import pytest

from espnet_mlclap.language_enhancement.chat import ChatTranslator, parse_answer
from espnet_mlclap.language_enhancement.config import read_settings
from espnet_mlclap.utils.errors import UserError

pytest.importorskip("openai")


@pytest.fixture
def make(chat_server):
    def make(**changes):
        settings = {"base_url": chat_server.url, "max_retries": 2, "timeout": 20.0, **changes}
        return ChatTranslator(dataclasses.replace(read_settings().of("chat"), **settings))

    return make


def translate(translator, texts):
    return translator.translate(texts, "eng_Latn", "fra_Latn")


def test_sentences_go_out_together_and_come_back_in_order(make, chat_server, sentences):
    texts = sentences(7)
    expected = [chat_server.translation(text, "fra_Latn") for text in texts]
    assert translate(make(), texts) == expected
    assert chat_server.requests == [(texts, None)]


def test_rate_limits_and_server_errors_are_waited_for(make, chat_server):
    chat_server.script = [429, 503]
    assert translate(make(), ["a dog"]) == [chat_server.translation("a dog", "fra_Latn")]
    assert [status for _, status in chat_server.requests] == [429, 503, None]


def test_an_answer_of_the_wrong_form_is_asked_for_again(make, chat_server):
    wrong = [
        "Certainly! Here you are.",
        json.dumps({"translations": ["only one"]}),
        '{"translations": ["cut o',
    ]
    for answer in wrong:
        chat_server.script = [answer]
        texts = ["a dog", "rain"]
        expected = [chat_server.translation(text, "fra_Latn") for text in texts]
        assert translate(make(), texts) == expected


@pytest.mark.parametrize(
    "body",
    [
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"finish_reason": "error"}]}',
        b'{"choices": [null]}',
        b'{"choices": null}',
        b'{"choices": []}',
        b'{"choices": {"a": 1}}',
        b'{"choices": [{"message": {"content": null}}]}',
        rb'{"choices": [{"message": {"content": [{"text": "{\"translations\": [\"a\"]}"}]}}]}',
        b'{"choices": [{"message": {"content": {"translations": ["a"]}}}]}',
        b'{"error": {"message": "overloaded"}}',
        b"[1]",
        b"null",
        b'"x"',
        b"\xff",
        b"[" * 100_000,
        b"1" * 5000,
    ],
)
def test_a_malformed_body_is_asked_for_again_and_never_ends_the_run(make, chat_server, body):
    expected = [chat_server.translation("a dog", "fra_Latn")]
    body = body[:100_000]
    chat_server.script = [body]
    assert translate(make(), ["a dog"]) == expected
    assert len(chat_server.requests) == 2
    chat_server.script = [body] * 3
    assert translate(make(max_attempts=3), ["a dog"]) == [""]


def test_a_request_that_never_works_is_cut_in_two(make, chat_server, sentences):
    texts = sentences(8)
    chat_server.refused = {texts[5]}
    found = translate(make(max_attempts=1), texts)
    expected = [chat_server.translation(text, "fra_Latn") for text in texts]
    expected[5] = ""
    assert found == expected
    sizes = [len(given) for given, _ in chat_server.requests]
    assert sizes == [8, 4, 4, 2, 1, 1, 2]


def test_a_server_that_refuses_everything_is_an_error(make, chat_server):
    texts = ["a dog", "rain"]
    chat_server.refused = set(texts)
    with pytest.raises(
        UserError, match="no usable answer from gpt.* for any of 2 captions.*status 400"
    ):
        translate(make(max_attempts=1), texts)


def test_what_cannot_be_mended_stops_at_once(make, chat_server):
    chat_server.script = [401]
    with pytest.raises(UserError, match="answered 401.*What was translated is kept"):
        translate(make(), ["a dog"])
    assert len(chat_server.requests) == 1
    chat_server.script = [429] * 9
    with pytest.raises(UserError, match="answered 429"):
        translate(make(), ["a dog"])
    with pytest.raises(UserError, match="no connection"):
        translate(make(base_url="http://127.0.0.1:9/v1", max_retries=0), ["a dog"])


def test_a_missing_key_is_named(make, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(UserError, match="environment variable OPENAI_API_KEY"):
        make()


def test_answers():
    good = '{"translations": ["un  chien", "la pluie\\n"]}'
    expected = ["un chien", "la pluie"]
    assert parse_answer(good, 2) == expected
    assert parse_answer(f"```json\n{good}\n```", 2) == expected
    assert parse_answer(f"Here: {good} Enjoy!", 2) == expected
    assert parse_answer(f"<think>I use {{x}} … {{</think> {good} {{}}", 2) == expected
    draft = '{"translations": ["chien", "pluie"]}'
    assert parse_answer(f"<think>{draft}?</think>{good}", 2) == expected
    for bad in ("", "[]", '["a", "b"]', good[:-3], '{"translations": "ab"}', '{"x": ["a", "b"]}',
                '{"translations": ["a", ""]}', '{"translations": ["a", 1]}',
                '{"translations": ["a", "\\ud83d chien"]}', '{"translations": [%s]}' % ("1" * 5000),
                '{"translations":' + "[" * 100_000, '{"a":' * 100_000, "[" * 100_000):  # fmt: skip
        assert parse_answer(bad, 2) is None
    assert parse_answer(good, 3) is None


def test_a_proxy_that_is_none(make, monkeypatch):
    monkeypatch.setenv("http_proxy", "foo://bar")
    with pytest.raises(UserError, match="the proxy that the environment names .* cannot be used"):
        make()


@pytest.mark.parametrize("address", ["127.0.0.1:8000", "ftp://host/v1", "http://[::1"])
def test_an_address_that_is_none(make, address):
    with pytest.raises(UserError, match="base_url: not the address of a server"):
        make(base_url=address)

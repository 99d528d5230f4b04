"""Small things to translate with: data directories, tiny random models, a chat server."""

import json
import random
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

WORDS = "a dog barks loudly while rain falls on the roof and bird sings near water".split()


@pytest.fixture(scope="session")
def sentences():
    """Gives `count` distinct random sentences of 3 to 12 words."""
    return _sentences


def _sentences(count, seed=0):
    generator = random.Random(seed)
    found = {}
    while len(found) < count:
        found[" ".join(generator.choices(WORDS, k=generator.randint(3, 12)))] = None
    return list(found)


@pytest.fixture
def make_data_dir(tmp_path):
    """Writes text, utt2clip, utt2lang from (id, clip, lang, text) rows; returns the folder."""

    def make(rows, name="train"):
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        rows = sorted(rows, key=lambda row: row[0].encode())
        for file, column in (("utt2clip", 1), ("utt2lang", 2), ("text", 3)):
            lines = "".join(f"{row[0]} {row[column]}\n" for row in rows)
            (folder / file).write_text(lines, encoding="utf-8")
        return folder

    return make


@pytest.fixture(scope="session")
def sentencepiece_model(tmp_path_factory):
    """A BPE model of 90 pieces: unk 0, bos 1, eos 2, no pad."""
    import sentencepiece

    prefix = tmp_path_factory.mktemp("pieces") / "pieces"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(_sentences(300)), model_prefix=str(prefix), vocab_size=90,
        model_type="bpe", unk_id=0, bos_id=1, eos_id=2, pad_id=-1, minloglevel=2,
    )  # fmt: skip
    return prefix.with_suffix(".model")


_CARD = """name: {name}
model_family: transformer_{kind}
model_arch: basic
checkpoint: {name}.pt
tokenizer: pieces.model
tokenizer_family: nllb
tokenizer_config:
  _set_: {{default_lang: eng_Latn, langs: [eng_Latn, fra_Latn, zho_Hans]}}
model_config:
  _set_:
    model_dim: 16
    max_seq_len: 48
    vocab_info: {{size: 97, unk_idx: 1, bos_idx: 2, eos_idx: 3, pad_idx: 0}}
    num_encoder_layers: 1
    num_decoder_layers: 2
    num_encoder_attn_heads: 2
    num_decoder_attn_heads: 2
    ffn_inner_dim: 32
"""


@pytest.fixture(scope="session")
def tiny_sonar(tmp_path_factory, sentencepiece_model):
    """Names of a SONAR encoder and decoder of random weights, in a folder of the user's own cards."""
    import fairseq2.runtime.dependency
    import torch
    from sonar.models.sonar_text import get_sonar_text_decoder_hub, get_sonar_text_encoder_hub

    folder = tmp_path_factory.mktemp("cards")
    (folder / "pieces.model").write_bytes(sentencepiece_model.read_bytes())
    for kind in ("encoder", "decoder"):
        name = f"tiny_{kind}"
        card = _CARD.format(name=name, kind=kind)
        if kind == "encoder":
            card += "    _from_fairseq: false\n"
        (folder / f"{name}.yaml").write_text(card)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAIRSEQ2_USER_ASSET_DIR", str(folder))
        patch.setenv("FAIRSEQ2_NO_PROGRESS", "1")
        # fairseq2 reads the folder once, when it is first used.
        patch.setattr(fairseq2.runtime.dependency, "_resolver", None)
        torch.manual_seed(0)
        for kind, hub in (
            ("encoder", get_sonar_text_encoder_hub()),
            ("decoder", get_sonar_text_decoder_hub()),
        ):
            model = hub.create_new_model(hub.get_model_config(f"tiny_{kind}"))
            for parameter in model.parameters():
                if parameter.dim() > 1:
                    torch.nn.init.normal_(parameter, std=0.5)
            torch.save(model.state_dict(), folder / f"tiny_{kind}.pt")
        yield "tiny_encoder", "tiny_decoder"


class ChatServer:
    """A server of chat completions that translates by putting the language before each sentence.

    Attributes:
        requests: the sentences of each request that came in, and the answer's status.
        script: for the next requests, what to do instead: a status, a text as the model's answer, or
            bytes as all that is sent.
        refused: sentences that make the server refuse the request.
        delay: seconds before an answer.
    """

    def __init__(self):
        self.requests = []
        self.script = []
        self.refused = set()
        self.delay = 0.0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, answer = outer.answer(body)
                data = answer
                if not isinstance(answer, bytes):
                    data = json.dumps(answer, ensure_ascii=False).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.send_header("retry-after-ms", "1")
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def answer(self, body):
        texts = json.loads(body["messages"][1]["content"])
        instruction = body["messages"][0]["content"]
        rewrites = instruction.startswith("Rewrite")
        lang = "" if rewrites else instruction.split("the target language is ")[1].split()[0]
        step = self.script.pop(0) if self.script else None
        if any(text in self.refused for text in texts):
            step = 400
        self.requests.append((texts, step))
        if self.delay:
            threading.Event().wait(self.delay)
        if isinstance(step, int):
            return step, {"error": {"message": f"status {step} wanted by the test"}}
        if isinstance(step, bytes):
            return 200, step
        content = step
        if content is None:
            make = self.paraphrase if rewrites else self.translation
            translations = [make(text, lang) for text in texts]
            content = json.dumps({"translations": translations})
        message = {"role": "assistant", "content": content}
        return 200, {
            "id": "1", "object": "chat.completion", "created": 0, "model": "test",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        }  # fmt: skip

    @staticmethod
    def translation(text, lang):
        """What this server makes of a sentence."""
        return f"{lang[:3]} " + " ".join(word[::-1] + "o" for word in text.split())

    @staticmethod
    def paraphrase(text, lang=""):
        """The words in the reverse order; a single word stays as it is."""
        return " ".join(reversed(text.split()))


@pytest.fixture
def chat_server(monkeypatch):
    """A running `ChatServer`."""
    monkeypatch.setenv("OPENAI_API_KEY", "test")
    server = ChatServer()
    thread = threading.Thread(target=server.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.server.shutdown()
    server.server.server_close()

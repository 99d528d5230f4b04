"""Packed models"""

import contextlib
import io
import os
import tarfile
import zipfile

import numpy as np
import pytest
import yaml

from espnet_mlclap import MLCLAP
from espnet_mlclap.bin import download_model
from espnet_mlclap.utils.config import BEST_MODEL
from espnet_mlclap.utils.errors import UserError

META = {
    "files": {
        "model_file": f"exp/{BEST_MODEL}",
        "text_encoder/sentencepiece.model": "exp/text_encoder/sentencepiece.model",
    },
    "yaml_files": {"config": "exp/config.yaml"},
}


@pytest.fixture(params=["zip", "tar"])
def pack(request, small_model, tmp_path):
    """Make an archive of a model as a stranger would: `pack(change)`, which changes members and meta.yaml."""

    def make(change=lambda members, meta: None, more=()):
        members = {
            f"exp/{name}": (small_model / name).read_bytes()
            for name in ("config.yaml", BEST_MODEL, "text_encoder/sentencepiece.model")
        }
        meta = {key: dict(value) for key, value in META.items()}
        change(members, meta)
        members = {"meta.yaml": members.get("meta.yaml", yaml.safe_dump(meta).encode()), **members}
        out = tmp_path / "a" / f"model.{request.param}"
        out.parent.mkdir(exist_ok=True)
        write = {"zip": write_zip, "tar": write_tar}[request.param]
        write(out, [*members.items(), *more])
        return out

    return make


def write_zip(out, members):
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            if isinstance(content, tarfile.TarInfo):  # a link, in the notation of zip
                info = zipfile.ZipInfo(name)
                info.create_system, info.external_attr = 3, 0o120777 << 16
                file.writestr(info, content.linkname)
            else:
                file.writestr(name, content)


def write_tar(out, members):
    with tarfile.open(out, "w") as file:
        for name, content in members:
            if isinstance(content, tarfile.TarInfo):
                file.addfile(content)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                file.addfile(info, io.BytesIO(content))


def link(name, target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, str(target)
    return name, info


def load(archive):
    return MLCLAP.from_pretrained(archive)


def download(archive):
    download_model.main([str(archive), "--out_dir", str(archive.parent / "exp")])


def test_an_honest_one(pack):
    """An honest packed model is read."""
    archive = pack()
    vectors = load(archive).encode_text(["a dog"])
    assert np.isfinite(vectors).all()
    download(archive)
    assert (archive.parent / "exp" / BEST_MODEL).is_file()


@pytest.mark.parametrize("use", [load, download])
@pytest.mark.parametrize(
    "name", ["../outside", "{tmp}/outside", "exp/../../outside", "..\\outside"]
)
def test_members_outside(pack, tmp_path, use, name):
    """A member `../x`, an absolute one, or one with backslashes: refused, nothing written outside."""
    name = name.format(tmp=tmp_path)
    archive = pack(more=[(name, b"x")])
    with pytest.raises((UserError, SystemExit)):
        use(archive)
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("use", [load, download])
@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_members_that_are_no_files(pack, tmp_path, use, kind):
    """A link, a pipe or a device as a member: refused."""
    (tmp_path / "secret").write_text("x")
    archive = pack(more=[link("exp/more", tmp_path / "secret", kind)])
    with pytest.raises((UserError, SystemExit)):
        use(archive)


@pytest.mark.parametrize("use", [load, download])
@pytest.mark.parametrize("table", ["files", "yaml_files"])
@pytest.mark.parametrize("path", ["/etc/passwd", "../../secret", "{tmp}/secret", "exp/not_there"])
def test_meta_names_other_files(pack, tmp_path, use, table, path, capsys):
    """meta.yaml names a file outside of the archive, or one that is not in it: refused, not opened."""
    (tmp_path / "secret").write_text("secret: 1")
    key = {"files": "model_file", "yaml_files": "config"}[table]

    def change(members, meta):
        meta[table][key] = path.format(tmp=tmp_path)

    with pytest.raises((UserError, SystemExit)) as error:
        use(pack(change))
    message = f"{error.value}{capsys.readouterr().err}"
    assert "model." in message  # the archive is named
    assert "meta.yaml" in message


@pytest.mark.parametrize(
    "content",
    [
        b"", b"- a\n", b"files: 3\nyaml_files: 4\n", b"files: {model_file: [1]}\nyaml_files: {}\n",
        b"files: {1: 2}\nyaml_files: {}\n", b"\xff\xfe", b"yaml_files: {}\n", b"{" * 5000,
        b"files: !!python/object/apply:os.system ['touch outside']\nyaml_files: {}\n",
    ],
)  # fmt: skip
def test_broken_meta(pack, content):
    """A broken meta.yaml: refused with its name."""
    with pytest.raises(UserError, match="model"):
        load(pack(lambda members, meta: members.update({"meta.yaml": content})))


def test_no_meta(tmp_path):
    """No meta.yaml, no archive at all."""
    write_zip(tmp_path / "no.zip", [("a", b"b")])
    (tmp_path / "words.zip").write_bytes(b"no archive")
    (tmp_path / "empty.zip").write_bytes(b"")
    for name in ("no.zip", "words.zip", "empty.zip"):
        with pytest.raises(UserError, match=name):
            load(tmp_path / name)


@pytest.mark.parametrize(
    "member",
    [f"exp/{BEST_MODEL}", "exp/config.yaml", "meta.yaml", "exp/text_encoder/more", "README"],
)
def test_bombs(pack, tmp_path, member):
    """A small archive that unpacks to far more than its configuration needs: refused before it is written."""
    content = bytes(260 << 20)
    archive = pack(lambda members, meta: members.update({member: content}))
    before = free(tmp_path)
    with pytest.raises(UserError):
        load(archive)
    assert before - free(tmp_path) < 100 << 20


def free(path):
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


def test_many_members(pack):
    """A hundred thousand members: refused."""
    with pytest.raises(UserError):
        load(pack(more=[(f"exp/{number}", b"") for number in range(100_000)]))


ALIASES = "\n".join(
    [f"a0: &a0 [{', '.join('x' * 9)}]"]
    + [f"a{n}: &a{n} [{', '.join(f'*a{n - 1}' for _ in range(9))}]" for n in range(1, 10)]
)


@pytest.mark.parametrize("where", ["exp/config.yaml", "meta.yaml"])
@pytest.mark.parametrize("text", [ALIASES, "[" * 100_000, "a: &a [*a]", "x: " + "1" * 2_000_000])
def test_yaml_bombs(pack, where, text):
    """YAML that multiplies or nests without end in a packed model: refused at once."""

    def change(members, meta):
        start = members[where] if where in members else yaml.safe_dump(meta).encode()
        members[where] = start + text.encode()

    with pytest.raises(UserError, match="config.yaml|meta.yaml"):
        load(pack(change))


@pytest.mark.parametrize("use", [load, download])
@pytest.mark.parametrize(
    "changes",
    [
        {"audio_encoder": "evil:Evil"},
        {"audio_encoder": "evil:Evil", "audio_encoder_conf": {}},
        {"text_pooling": "evil:Evil"},
        {"model": "evil:Evil"},
        {"text_encoder": "frozen", "text_encoder_conf": {"encoder": "evil:Evil"}},
        {"text_encoder": "frozen",
         "text_encoder_conf": {"encoder": "sentence_transformers", "options": {"trust_remote_code": True}}},
        {"audio_encoder": "fusion", "audio_encoder_conf": {"encoders": [
            {"audio_encoder": "ced"}, {"audio_encoder": "evil:Evil"}]}},
        {"text_encoder": "sentence_transformers", "text_encoder_conf": {"model": "text_encoder"}},
    ],
    ids=str,
)  # fmt: skip
def test_classes_from_outside(pack, tmp_path, monkeypatch, use, changes):
    """A configuration that names classes from outside, or encoders that import others: nothing runs."""
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    monkeypatch.syspath_prepend(tmp_path)

    def change(members, meta):
        config = {**yaml.safe_load(members["exp/config.yaml"]), **changes}
        members["exp/config.yaml"] = yaml.safe_dump(config).encode()

    with pytest.raises((UserError, SystemExit)):
        use(pack(change))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("path", ["/etc/passwd", "../../../secret"])
def test_configuration_names_files_outside(pack, tmp_path, path):
    """The configuration's own paths lead outside: refused."""

    def change(members, meta):
        config = yaml.safe_load(members["exp/config.yaml"])
        config["text_encoder_conf"]["tokenizer_model"] = path
        members["exp/config.yaml"] = yaml.safe_dump(config).encode()

    with pytest.raises(UserError, match="outside"):
        load(pack(change))


@pytest.mark.parametrize(
    "part", ["exp/config.yaml", f"exp/{BEST_MODEL}", "exp/text_encoder/sentencepiece.model"]
)
def test_what_was_packed_is_what_is_read(small_model, tmp_path, part):
    """One byte of a file that we have packed was changed: its checksum is wrong, and that is said."""
    from espnet_mlclap.bin import pack as pack_command

    out = tmp_path / "model.tar"
    pack_command.main(["--experiment_dir", str(small_model), "--out", str(out)])
    with tarfile.open(out) as file:
        start = file.getmember(part).offset_data
    content = bytearray(out.read_bytes())
    content[start + 40] ^= 1
    out.write_bytes(content)
    with pytest.raises(UserError, match="sha256"):
        load(out)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.95])
def test_cut_off(pack, tmp_path, share):
    """Half a packed model: refused."""
    content = pack().read_bytes()
    (tmp_path / "cut").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(UserError, match="cut"):
        load(tmp_path / "cut")


@pytest.mark.parametrize(
    "key", ["checkpoint.pth", "train.yaml", ".made", "../outside", "a/../../outside"]
)
def test_names_that_pass_for_our_files(pack, tmp_path, key):
    """A file that asks to be called checkpoint.pth, or like a file outside: not written."""

    def change(members, meta):
        members["exp/x"] = b"x"
        meta["files"][key] = "exp/x"

    archive = pack(change)
    with contextlib.suppress(SystemExit):
        download(archive)
    assert not (archive.parent / "exp" / key).exists()

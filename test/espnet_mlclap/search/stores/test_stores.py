"""Every store gives the same answers: those of comparing a question with each window, one by one."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from espnet_mlclap.search.database import Database
from espnet_mlclap.search.stores.abs_store import BLOCK, EVERYTHING, Recording, Where, Windows
from espnet_mlclap.search.stores.derived_index import DerivedIndex
from espnet_mlclap.search.stores.local import LocalStore
from espnet_mlclap.search.stores.options import StoreOptions, open_store
from espnet_mlclap.utils.errors import UserError

SIZE = 16


@pytest.fixture(scope="module")
def milvus_server(tmp_path_factory):
    """Address of a real Milvus server."""
    milvus = pytest.importorskip(
        "milvus", reason="the wheel milvus, a server for tests, is not installed"
    )
    server = milvus.MilvusServer()
    server.set_base_dir(str(tmp_path_factory.mktemp("milvus")))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server.listen_port = free.getsockname()[1]
    server.start()
    yield f"http://127.0.0.1:{server.listen_port}"
    server.stop()


@pytest.fixture(params=["exact", "lists", "float16", "milvus"])
def store(request, tmp_path):
    """An empty store of each kind."""
    options = {
        "exact": lambda: StoreOptions(),
        "lists": lambda: StoreOptions(exact_up_to=0),
        "float16": lambda: StoreOptions(vectors="float16"),
        "milvus": lambda: StoreOptions(
            store=request.getfixturevalue("milvus_server"), collection=f"t{tmp_path.name}"
        ),
    }[request.param]()
    database = Database(tmp_path / "library.sqlite")
    opened = open_store(options, database, tmp_path, "0" * 32, SIZE)
    yield opened
    opened.close()


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def make(count, seed=0, windows=3):
    """Recordings in two folders, with different times, durations and tags."""
    generator = np.random.default_rng(seed)
    made = []
    for number in range(1, count + 1):
        spans = np.array([(5.0 * k, 5.0 * k + 10) for k in range(windows)])
        tags = tuple(t for t, every in (("field", 2), ("日本", 3)) if number % every == 0)
        path = f"/audio/{'a_b%' if number % 2 else 'a'}/{number:03}.wav"
        recording = Recording(number, path, 1000.0 + number, 10.0 * number, tags)
        vectors = unit(generator.standard_normal((windows, SIZE)))
        made.append((recording, Windows(spans, vectors)))
    return made


def kept(recording, where):
    """The filter, written out."""
    return (
        (where.folder is None or recording.path.startswith(where.folder + "/"))
        and (where.changed_after is None or recording.changed >= where.changed_after)
        and (where.changed_before is None or recording.changed < where.changed_before)
        and (where.min_duration is None or recording.duration >= where.min_duration)
        and (where.max_duration is None or recording.duration <= where.max_duration)
        and {*where.tags} <= {*recording.tags}
        and (where.recordings is None or recording.id in where.recordings)
    )


def expected(made, vector, top, where=EVERYTHING):
    rows = [
        (float(one @ vector), recording, *span)
        for recording, windows in made
        if kept(recording, where)
        for span, one in zip(windows.spans.tolist(), windows.vectors)
    ]
    return sorted(rows, key=lambda row: -row[0])[:top]


def check(store, made, top=7, where=EVERYTHING):
    vector = unit(np.random.default_rng(9).standard_normal(SIZE))
    found = store.search(vector, top, where)
    wanted = expected(made, vector, top, where)
    assert [(one.recording, one.start, one.end) for one in found] == [row[1:] for row in wanted]
    np.testing.assert_allclose(
        [one.similarity for one in found], [row[0] for row in wanted], atol=1e-3
    )
    assert store.count(where) == sum(
        len(windows.spans) for recording, windows in made if kept(recording, where)
    )
    return found


WHERES = {
    "folder": Where(folder="/audio/a"),
    "folder with signs that mean something elsewhere": Where(folder="/audio/a_b%"),
    "no folder of that name": Where(folder="/audio/a_"),
    "time": Where(changed_after=1003.0, changed_before=1010.0),
    "duration": Where(min_duration=30.0, max_duration=120.0),
    "tag": Where(tags=("日本",)),
    "tags": Where(tags=("field", "日本")),
    "no such tag": Where(tags=('a"] or 1 == 1',)),
    "recordings": Where(recordings=(2, 5, 99)),
    "none": Where(recordings=()),
    "all at once": Where(
        folder="/audio/a", changed_after=1002.0, max_duration=150.0, tags=("field",)
    ),
}


def test_a_store_through_its_life(store):
    vector = unit(np.ones(SIZE))
    assert store.search(vector, 5) == []
    assert store.count() == 0
    made = make(20)
    store.upsert(made[:12])
    store.upsert(made[12:])
    check(store, made)
    check(store, made, top=1000)
    for where in WHERES.values():
        check(store, made, where=where)
    # replaced: fewer windows than before, another path
    changed = make(20, seed=1, windows=2)
    made[3:5] = changed[3:5]
    store.upsert(made[3:5])
    check(store, made, top=1000)
    # moved: the windows stay
    made[7] = (replace(made[7][0], path="/audio/moved/it's.wav", tags=("new",)), made[7][1])
    store.update([made[7][0]])
    check(store, made, where=Where(folder="/audio/moved"))
    check(store, made, where=Where(tags=("new",)))
    # gone
    store.delete([made[0][0].id, made[9][0].id, 12345])
    made = [made[row] for row in range(20) if row not in (0, 9)]
    found = check(store, made, top=1000)
    store.finish()
    assert store.describe()["windows"] == len(found)
    # one with very many windows comes in blocks, and is given in blocks
    long, windows = make(1, seed=2, windows=BLOCK + 100)[0]
    long = replace(long, id=99)
    store.upsert_long(
        long,
        (Windows(windows.spans[k : k + 900], windows.vectors[k : k + 900]) for k in (0, 900, 1800)),
    )
    given = list(store.blocks(99))
    assert [len(block.spans) for block in given] == [BLOCK, 100]
    np.testing.assert_array_equal(store.windows(99).spans, windows.spans)
    np.testing.assert_allclose(store.windows(99).vectors, windows.vectors, atol=1e-3)
    store.delete([99])
    assert list(store.blocks(99)) == []
    # by id
    for one in found[:3]:
        recording, start, end, vector = store.find(one.window)
        assert (recording, start, end) == (one.recording, one.start, one.end)
        windows = store.windows(one.recording.id)
        row = windows.spans.tolist().index([start, end])
        np.testing.assert_array_equal(windows.vectors[row], vector)
        truth = next(windows for about, windows in made if about.id == recording.id)
        np.testing.assert_allclose(windows.vectors, truth.vectors, atol=1e-3)
        np.testing.assert_array_equal(windows.spans, truth.spans)
    assert store.recording(made[2][0].id) == made[2][0]
    assert store.recording(12345) is None
    assert store.find(2**40) is None
    assert len(store.windows(12345).spans) == 0
    # emptied, and filled again
    store.delete([recording.id for recording, _ in made])
    assert store.search(vector, 5) == []
    store.upsert(made)
    check(store, made)


def test_a_second_reader_sees_whole_states(tmp_path):
    made = make(6)
    writer = LocalStore(Database(tmp_path / "library.sqlite"), tmp_path)
    reader = LocalStore(Database(tmp_path / "library.sqlite"), tmp_path)
    writer.upsert(made[:2])
    check(reader, made[:2])
    database = writer._database
    with database.transaction():
        writer.upsert(made[2:])
        check(reader, made[:2])
    check(reader, made)

    def fails():
        with database.transaction():
            writer.delete([1, 2])
            raise RuntimeError

    pytest.raises(RuntimeError, fails)
    check(reader, made)
    check(writer, made)


def test_the_saved_lists_are_followed_or_made_again(tmp_path, caplog):
    caplog.set_level("INFO")
    made = make(40)

    def opened():
        return LocalStore(Database(tmp_path / "library.sqlite"), tmp_path, exact_up_to=50)

    store = opened()
    store.upsert(made[:10])
    check(store, made[:10])
    assert store.describe()["index"] == "exact"
    store.finish()
    store.upsert(made[10:30])
    check(store, made[:30], top=20)
    assert store.describe()["index"] == "exact", "nobody waits for lists in a search"
    store.finish()
    assert "inverted lists" in store.describe()["index"]
    store.upsert(made[30:])
    check(store, made, top=20)
    store.finish()
    (first,) = tmp_path.glob("*.faiss")
    caplog.clear()

    store = opened()  # reads what was saved, and follows what changed
    store.delete([1, 40])
    other = make(2, seed=1)[1]
    store.upsert([other])
    made = [other, *made[2:39]]
    check(store, made, top=20)
    store.finish()
    assert not caplog.records, "not made again"
    (second,) = tmp_path.glob("*.faiss")
    assert second != first

    second.write_bytes(second.read_bytes()[:1000])
    check(opened(), made, top=20)
    assert "made again" in caplog.text

    # windows that the index was told of, and that are not there any more: an older copy of the database
    store = opened()
    store.finish()
    store._database.connection.execute("DELETE FROM windows WHERE recording = 7")
    store._database.connection.execute(
        "DELETE FROM vectors WHERE window NOT IN (SELECT id FROM windows)"
    )
    check(opened(), [one for one in made if one[0].id != 7], top=20)


@pytest.mark.parametrize("exact_up_to", [1000, 50])
def test_a_saved_index_is_looked_into_where_it_is(tmp_path, monkeypatch, exact_up_to):
    """However large it is, it is not read whole before the first answer; it is to take in changes."""
    reads, read = [], DerivedIndex.read

    def spy(path, **options):
        reads.append(options)
        return read(path, **options)

    monkeypatch.setattr(DerivedIndex, "read", spy)

    def opened():
        return LocalStore(Database(tmp_path / "library.sqlite"), tmp_path, exact_up_to=exact_up_to)

    made = make(40)
    store = opened()
    store.upsert(made[:30])
    store.finish()
    reader, writer = opened(), opened()
    check(reader, made[:30], top=20)
    assert [one["mapped"] for one in reads] == [True]
    writer.upsert(made[30:])
    writer.delete([1, 2])
    writer.finish()  # writes another file and removes the one that the reader looks into
    assert [one["mapped"] for one in reads] == [True, True, False]
    assert reader._derivation._index.mapped
    check(reader, made[2:], top=20)
    assert not reader._derivation._index.mapped
    check(writer, made[2:], top=20)


def test_a_library_without_checksums_is_made_again(tmp_path):
    database = Database(tmp_path / "library.sqlite")
    LocalStore(database, tmp_path)
    database.connection.execute("DELETE FROM store WHERE key = 'checksums'")
    with pytest.raises(UserError, match=r"library\.sqlite: .* no checksums.*mlclap index"):
        LocalStore(database, tmp_path)


def test_exact_is_exact_where_many_are_nearly_equal(tmp_path):
    generator = np.random.default_rng(3)
    vectors = unit(np.ones(SIZE) + 1e-4 * generator.standard_normal((3000, SIZE)))
    spans = np.stack([np.arange(3000.0), np.arange(3000.0) + 1], axis=1)
    store = LocalStore(Database(tmp_path / "library.sqlite"), tmp_path)
    store.upsert([(Recording(1, "/a.wav", 0.0, 3001.0), Windows(spans, vectors))])
    vector = unit(np.ones(SIZE) + 0.01 * generator.standard_normal(SIZE))
    similarity = vectors @ vector
    found = store.search(vector, 10)
    np.testing.assert_allclose(
        [one.similarity for one in found], np.sort(similarity)[::-1][:10], rtol=0, atol=1e-7
    )


def test_few_of_the_best_are_missed_in_lists(tmp_path):
    generator = np.random.default_rng(0)
    kinds = generator.standard_normal((50, SIZE))
    vectors = unit(np.repeat(kinds, 60, axis=0) + 0.5 * generator.standard_normal((3000, SIZE)))
    spans = np.stack([np.arange(3000.0), np.arange(3000.0) + 1], axis=1)
    store = LocalStore(Database(tmp_path / "library.sqlite"), tmp_path, exact_up_to=0)
    store.upsert([(Recording(1, "/a.wav", 0.0, 3001.0), Windows(spans, vectors))])
    right = 0
    for question in unit(kinds + 0.5 * generator.standard_normal(kinds.shape)):
        best = {*np.argsort(-(vectors @ question))[:10].tolist()}
        right += len(best & {round(one.start) for one in store.search(question, 10)})
    assert right >= 0.95 * 500


@pytest.mark.parametrize("kind", ["float32", "float16", "int8"])
def test_vectors_are_kept_as_asked_for(kind, tmp_path):
    made = make(3)
    store = LocalStore(Database(tmp_path / "library.sqlite"), tmp_path, vectors=kind)
    store.upsert(made)
    size = {"float32": 4 * SIZE, "float16": 2 * SIZE, "int8": SIZE + 4}[kind] + 4  # a checksum
    rows = store._database.connection.execute("SELECT DISTINCT length(vector) FROM vectors")
    assert rows.fetchall() == [(size,)]
    error = {"float32": 0, "float16": 1e-3, "int8": 5e-3}[kind]
    np.testing.assert_allclose(store.windows(1).vectors, made[0][1].vectors, atol=error)
    LocalStore(Database(tmp_path / "library.sqlite"), tmp_path)
    other = "int8" if kind == "float32" else "float32"
    with pytest.raises(UserError, match=f"made with {kind}"):
        LocalStore(Database(tmp_path / "library.sqlite"), tmp_path, vectors=other)


def test_wrong_stores_are_named(tmp_path, milvus_server):
    database = Database(tmp_path / "library.sqlite")

    def opened(size=SIZE, **options):
        return open_store(StoreOptions(**options), database, tmp_path, "0" * 32, size)

    with pytest.raises(UserError, match="--store milvus: must be 'local'"):
        opened(store="milvus")
    with pytest.raises(UserError, match="--vectors int7"):
        opened(vectors="int7")
    with pytest.raises(UserError, match="--milvus_conf indx: unknown.*index_parameters"):
        opened(store=milvus_server, milvus={"indx": 1})
    opened(store=milvus_server, collection="narrow").close()
    with pytest.raises(UserError, match="--collection"):
        opened(store=milvus_server, collection="narrow", size=SIZE + 1)
    with pytest.raises(UserError, match="Is the server running"):
        opened(store="http://127.0.0.1:9", milvus={"timeout": 2.0})
    (tmp_path / "other.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(UserError, match="not a library"):
        Database(tmp_path / "other.sqlite")


@pytest.mark.parametrize("vectors", ["float32", "float16", "int8"])
@pytest.mark.parametrize("exact_up_to", [5000, 0])
def test_questions_that_come_together_are_answered_as_each_alone(
    tmp_path, monkeypatch, exact_up_to, vectors
):
    """To the last bit, whatever they were answered with."""
    options = StoreOptions(exact_up_to=exact_up_to, vectors=vectors)
    store = open_store(options, Database(tmp_path / "x.sqlite"), tmp_path, "0" * 32, SIZE)
    store.upsert(make(700))
    store.delete([3, 4, 650])
    store.finish()
    questions = unit(np.random.default_rng(5).standard_normal((60, SIZE)))
    tops = [50 if number % 9 == 0 else 7 for number in range(60)]
    wheres = [WHERES["tag"] if number % 7 == 0 else EVERYTHING for number in range(60)]
    alone = [store.search(*one) for one in zip(questions, tops, wheres)]
    together, search = [], DerivedIndex.search

    def slowly(index, vectors, *others):
        together.append(len(vectors))
        time.sleep(0.03)
        return search(index, vectors, *others)

    monkeypatch.setattr(DerivedIndex, "search", slowly)
    with ThreadPoolExecutor(60) as pool:
        assert list(pool.map(store.search, questions, tops, wheres)) == alone
    assert max(together) >= 8, "those that are compared with all in one pass"
    store.close()


def test_one_pass_finds_what_single_ones_find():
    """In an index that vectors were taken out of."""
    generator = np.random.default_rng(0)
    vectors = unit(generator.standard_normal((3000, 48)))
    index = DerivedIndex.scan(48)
    index.add(np.arange(3000) * 7, vectors)
    index.remove(np.arange(100, 200) * 7)
    kept = np.delete(np.arange(3000), np.arange(100, 200))
    questions = unit(generator.standard_normal((20, 48)))
    for question, (ids, scores) in zip(questions, index.search(questions, 30)):
        ((alone, those),) = index.search(question[None], 30)
        assert {*ids.tolist()} ^ {*alone.tolist()} == set()
        np.testing.assert_allclose(scores, those, atol=1e-5)
        best = kept[np.argsort(-vectors[kept] @ question)[:20]] * 7
        assert {*best.tolist()} <= {*ids.tolist()}

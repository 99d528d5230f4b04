"""Translate many sentences: each distinct one once, similar lengths together, in several processes."""

import multiprocessing
import os
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Set, Tuple

from espnet_mlclap.language_enhancement.abs_translator import AbsTranslator
from espnet_mlclap.language_enhancement.journal import Journal, Translations
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.progress import progress_bar
from espnet_mlclap.utils.shard import Shard
from espnet_mlclap.utils.workers import end_with_parent

# Makes the translator in a process, from the number of that process (0, 1, ...).
TranslatorFactory = Callable[[int], AbsTranslator]


class Batch(NamedTuple):
    """Sentences that are translated, and written to the journal, together."""

    source_lang: str
    target_lang: str
    sentences: Tuple[str, ...]


def make_batches(requests: Iterable[Tuple[str, str, str]], batch_size: int) -> List[Batch]:
    """Cut requests into batches of one pair of languages and of similar lengths.

    Args:
        requests: (source language, target language, sentence), in any order, any number of times.
        batch_size: most sentences in a batch.

    Returns:
        Batches whose order and content depend on the set of requests alone.
    """
    by_languages: Dict[Tuple[str, str], Set[str]] = {}
    for source, target, sentence in requests:
        by_languages.setdefault((source, target), set()).add(sentence)
    batches = []
    for (source, target), distinct in sorted(by_languages.items()):
        ordered = sorted(distinct, key=lambda sentence: (len(sentence), sentence))
        for start in range(0, len(ordered), batch_size):
            batches.append(Batch(source, target, tuple(ordered[start : start + batch_size])))
    return batches


def translate_all(
    requests: Iterable[Tuple[str, str, str]],
    factory: TranslatorFactory,
    journal: Journal,
    *,
    batch_size: int,
    nj: int,
    shard: Optional[Shard] = None,
) -> Translations:
    """Translate what the journal does not have yet.

    Args:
        requests: (source language, target language, sentence).
        factory: makes a translator, the same one each time it is called in a process; has to be
            picklable if nj > 1.
        journal: takes each batch as soon as it is done.
        batch_size: most sentences in a batch.
        nj: number of processes.
        shard: translate only this share of the batches.

    Returns:
        A translation for each distinct request; "" where the translator has none. With `shard`, for those
        that are known by now.

    Raises:
        UserError: what the translator raises, or a process that died.
    """
    requests = list(requests)
    known = journal.read()
    # The batches are those of a run from the start, so that a run that was killed repeats them exactly.
    batches = []
    whole = make_batches(requests, batch_size)
    for batch in whole if shard is None else shard.of(whole):
        languages = batch.source_lang, batch.target_lang
        missing = tuple(s for s in batch.sentences if (*languages, s) not in known)
        if missing:
            batches.append(Batch(*languages, missing))
    total = sum(len(batch.sentences) for batch in batches)
    nj = min(nj, len(batches))
    if nj == 1:
        factory(0)  # so that loading the model does not count as slow translation
    with progress_bar("translating", total, "sentences") as bar:
        for batch, translations in _run(batches, factory, nj):
            journal.write(batch.source_lang, batch.target_lang, batch.sentences, translations)
            for sentence, translation in zip(batch.sentences, translations):
                known[batch.source_lang, batch.target_lang, sentence] = translation
            bar.update(len(batch.sentences))
    if shard is not None:
        return known
    return {request: known[request] for request in requests}


def _run(
    batches: List[Batch], factory: TranslatorFactory, nj: int
) -> Iterator[Tuple[Batch, List[str]]]:
    if nj <= 1:
        for batch in batches:
            yield batch, translate_batch(factory(0), batch)
        return
    context = multiprocessing.get_context("spawn")  # CUDA and threads do not survive a fork
    number = context.Value("i", 0)
    arguments = (factory, number, nj, os.getpid())
    with ProcessPoolExecutor(nj, context, _start_process, arguments) as pool:
        waiting = iter(batches)
        futures = {pool.submit(_in_process, batch): batch for batch in islice(waiting, 2 * nj)}
        try:
            while futures:
                done, _ = wait(futures, return_when=FIRST_COMPLETED)
                for future in done:
                    yield futures.pop(future), future.result()
                for batch in islice(waiting, len(done)):
                    futures[pool.submit(_in_process, batch)] = batch
        except BrokenProcessPool as error:
            raise UserError(
                "a translating process died, as happens when memory is short. Use a smaller batch_size "
                "or --nj; what was translated is kept."
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def translate_batch(translator: AbsTranslator, batch: Batch) -> List[str]:
    """Translations of one batch, each on one line, checked to be as many as the sentences."""
    translations = translator.translate(batch.sentences, batch.source_lang, batch.target_lang)
    if len(translations) != len(batch.sentences):
        raise ValueError(
            f"{type(translator).__name__} gave {len(translations)} translations of "
            f"{len(batch.sentences)} sentences"
        )
    return [" ".join(translation.split()) for translation in translations]


_process: Dict[str, Any] = {}  # what _start_process leaves for _in_process


def _start_process(factory: TranslatorFactory, number, nj: int, parent: int) -> None:
    end_with_parent(parent)
    with number.get_lock():
        _process["number"] = number.value
        number.value += 1
    _process["factory"] = factory
    threads = max(1, len(os.sched_getaffinity(0)) // nj)
    os.environ["OMP_NUM_THREADS"] = str(threads)  # read when torch is imported


def _in_process(batch: Batch) -> List[str]:
    return translate_batch(_process["factory"](_process["number"]), batch)

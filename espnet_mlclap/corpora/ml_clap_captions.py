"""Given test captions, in several languages, in the JSON form of the published ML-CLAP test sets.

    {"data": [{"wav": "AudioCaps/waveforms/test/Y7fmOlUlwoNg.wav",
               "caption_1": "...", "source_lang_1": "eng_Latn", "caption_2": ...}, ...]}

An entry is a clip, named by the last part of `wav`; it has any number of captions, each with its
language. Several files (one per language, say) are put together; what an earlier one gives already is
not taken twice.
"""

from pathlib import Path, PurePosixPath
from typing import Any, Dict, List, Sequence, Tuple, Union

from espnet_mlclap.corpora.rows import one_line
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.languages import check_language
from espnet_mlclap.utils.reading import read_json


def read_given_captions(paths: Sequence[Union[str, Path]]) -> Dict[str, List[Tuple[str, str]]]:
    """Read the files.

    Returns:
        (language, caption) by the stem of the clip's file name, in the order of the files.

    Raises:
        UserError: a file is not of that form, a language is unknown or a caption empty; names the
            file and the entry (from 0).
    """
    captions: Dict[str, List[Tuple[str, str]]] = {}
    for path in paths:
        of_file: Dict[str, List[Tuple[str, str]]] = {}
        for number, entry in enumerate(_entries(Path(path))):
            where = f"{path}: data[{number}]"
            if not isinstance(entry, dict) or not isinstance(entry.get("wav"), str):
                raise UserError(f'{where}: there is no "wav" that names the clip.')
            found = _captions(entry, where)
            of_file.setdefault(PurePosixPath(entry["wav"]).stem, []).extend(found)
        for clip, found in of_file.items():
            earlier = captions.setdefault(clip, [])
            earlier += [caption for caption in found if caption not in earlier]
    return captions


def _entries(path: Union[str, Path]) -> List[Any]:
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("data"), list):
        raise UserError(f'{path}: not of the form {{"data": [...]}}.')
    return content["data"]


def _captions(entry: Dict[str, Any], where: str) -> List[Tuple[str, str]]:
    found = []
    number = 1
    while f"caption_{number}" in entry:
        text = one_line(str(entry[f"caption_{number}"]))
        if not text:
            raise UserError(f"{where}: caption_{number} is empty.")
        lang = str(entry.get(f"source_lang_{number}", "eng_Latn"))
        found.append((check_language(lang, f"{where}: source_lang_{number}"), text))
        number += 1
    if not found:
        raise UserError(f'{where}: there is no "caption_1".')
    return found

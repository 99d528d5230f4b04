"""Translation and paraphrasing by a chat model behind any server that speaks OpenAI's chat completions.

The ML-CLAP paper translates its test captions in this way (section 3.3). Sentences go out as a JSON array
and come back as one. The official client repeats a request after rate limits, server errors and
broken connections, with growing pauses. An answer that is not what was asked for, whatever it is, is
asked for again, then the request is cut in two; a single sentence that still has no answer stays
untranslated.
"""

import json
import logging
import os
import re
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence

from espnet_mlclap.language_enhancement.abs_translator import AbsTranslator
from espnet_mlclap.utils.addresses import check_address
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.secret import conceal, secrets_of, shown_address


@dataclass(frozen=True)
class ChatConfig:
    """Settings of the chat translator.

    Attributes:
        model: name of the model at the server.
        base_url: address of the server up to `/v1`.
        key_variable: environment variable that holds the key; a server that needs none ignores it.
        batch_size: sentences in one request.
        temperature: 0 for the likeliest answer.
        timeout: seconds for one request.
        max_retries: repetitions after rate limits, server errors and broken connections.
        max_attempts: answers of the wrong form before a request is cut in two.
        instruction: the instruction to the model; {source} and {target} are the languages' FLORES-200 codes.
        rewriting_instruction: the same for paraphrases, with {source}.
        rewriting_temperature: of paraphrases, which should not all be alike.
    """

    model: str
    base_url: str
    key_variable: str
    batch_size: int
    temperature: float
    timeout: float
    max_retries: int
    max_attempts: int
    instruction: str
    rewriting_instruction: str
    rewriting_temperature: float

    def __post_init__(self) -> None:
        for name in ("batch_size", "max_attempts"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be 1 or more, not {getattr(self, name)}")
        for name in ("temperature", "rewriting_temperature", "timeout", "max_retries"):
            if getattr(self, name) < 0:
                raise UserError(f"{name} must be 0 or more, not {getattr(self, name)}")
        check_address(self.base_url, "base_url")
        for name in ("instruction", "rewriting_instruction"):
            try:
                getattr(self, name).format(source="", target="")
            except (KeyError, IndexError, ValueError) as error:
                raise UserError(
                    f"{name}: only {{source}} and {{target}} may be in braces; write other braces "
                    f"twice ({error!r})."
                ) from error


class ChatTranslator(AbsTranslator):
    """A chat model as a translator.

    Args:
        settings: see `ChatConfig`.
        device: not used; the server computes.

    Raises:
        UserError: the openai package or the key is missing.
    """

    settings_class = ChatConfig
    on_device = False
    rewrites = True

    def __init__(self, settings: ChatConfig, device: str = "cpu"):
        try:
            import openai
        except ImportError as error:
            raise UserError(
                "--translator chat needs the openai package: pip install 'espnet_mlclap[chat]'"
            ) from error
        key = _key(settings.key_variable)
        logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each request otherwise
        logging.getLogger("httpx2").setLevel(logging.WARNING)
        self.settings = settings
        self._address = shown_address(settings.base_url)
        self._secrets = [key, *secrets_of(settings.base_url)]
        self._openai = openai
        self._last = ""  # what the server answered last, for the error
        try:
            self._client = openai.OpenAI(
                api_key=key,
                base_url=settings.base_url,
                timeout=settings.timeout,
                max_retries=settings.max_retries,
            )
        except ValueError as error:
            raise UserError(
                f"the proxy that the environment names (http_proxy, all_proxy ...) cannot be used: {error}"
            ) from error

    @classmethod
    def identity(cls, settings: ChatConfig) -> Dict[str, object]:
        names = ("model", "base_url", "temperature", "instruction")
        values = {name: getattr(settings, name) for name in names}
        return {"translator": "chat", **values, "base_url": shown_address(settings.base_url)}

    @classmethod
    def rewriting_identity(cls, settings: ChatConfig) -> Dict[str, object]:
        changes = {
            "temperature": settings.rewriting_temperature,
            "instruction": settings.rewriting_instruction,
        }
        return {**cls.identity(settings), **changes}

    def translate(self, sentences: Sequence[str], source_lang: str, target_lang: str) -> List[str]:
        translations = self._translate(sentences, source_lang, target_lang)
        if len(sentences) > 1 and not any(translations):
            raise UserError(
                f"{self._address}: no usable answer from {self.settings.model} for any of "
                f"{len(sentences)} captions; the last was {conceal(self._last, self._secrets)[:500]!r}."
            )
        return translations

    def _translate(self, sentences: Sequence[str], source_lang: str, target_lang: str) -> List[str]:
        for _ in range(self.settings.max_attempts):
            answer = self._ask(sentences, source_lang, target_lang)
            translations = parse_answer(answer, len(sentences))
            if translations is not None:
                return translations
        if len(sentences) == 1:
            logging.warning("no usable answer for %r into %s", sentences[0], target_lang)
            return [""]
        middle = len(sentences) // 2
        return self._translate(sentences[:middle], source_lang, target_lang) + self._translate(
            sentences[middle:], source_lang, target_lang
        )

    def _ask(self, sentences: Sequence[str], source_lang: str, target_lang: str) -> str:
        """Text of the model's answer; "" where something else came in its place."""
        template, temperature = self.settings.instruction, self.settings.temperature
        if source_lang == target_lang:
            template = self.settings.rewriting_instruction
            temperature = self.settings.rewriting_temperature
        instruction = template.format(source=source_lang, target=target_lang)
        try:
            completion = self._client.chat.completions.create(
                model=self.settings.model,
                temperature=temperature,
                messages=[
                    {"role": "system", "content": instruction},
                    {"role": "user", "content": json.dumps(list(sentences), ensure_ascii=False)},
                ],
            )
        except self._openai.BadRequestError as error:
            self._last = f"refused: {error.message}"
            return ""  # by a content filter, say: only some are lost
        except self._openai.APIStatusError as error:
            message = conceal(error.message, self._secrets)
            raise UserError(
                f"{self._address}: the server answered {error.status_code}: {message}. What was translated "
                "is kept; run the stage again to continue."
            ) from error
        except self._openai.APIConnectionError as error:
            raise UserError(
                f"{self._address}: no connection ({conceal(str(error), self._secrets)}). What was translated "
                "is kept; run the stage again to continue."
            ) from error
        except (self._openai.APIResponseValidationError, ValueError, RecursionError) as error:
            self._last = f"not JSON: {error}"
            return ""
        try:
            content = completion.choices[0].message.content
        except (AttributeError, IndexError, KeyError, TypeError):
            content = None  # the client does not check that the server sends what it should
        self._last = content if isinstance(content, str) else str(completion)
        return content if isinstance(content, str) else ""


def _key(variable: str) -> str:
    """The server's key from an environment variable, without white space around it.

    Raises:
        UserError: it is not set, or cannot be a key; does not quote it.
    """
    key = os.environ.get(variable, "").strip()
    if not key:
        raise UserError(
            f"--translator chat needs the server's key in the environment variable {variable} (any word "
            "where the server needs none)."
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise UserError(
            f"{variable}: cannot be a key; it has a line break, a blank or other characters than those of "
            "ASCII in it. Copy the key again."
        )
    return key


def parse_answer(answer: str, count: int) -> Optional[List[str]]:
    """The translations in an answer.

    Args:
        answer: text of the model; JSON, possibly inside a fenced block or with words around it, which
            may hold braces too. Of several answers the last counts.
        count: how many translations there must be.

    Returns:
        `count` translations, or None if the answer is not of the form that was asked for.
    """
    decoder = json.JSONDecoder()
    found = None
    for brace in re.finditer(r'\{\s*"', answer):
        try:
            translations = decoder.raw_decode(answer, brace.start())[0].get("translations")
        except RecursionError:
            return None
        except ValueError:  # not JSON, or a number of thousands of digits
            translations = None
        if _is_complete(translations, count):
            found = [" ".join(text.split()) for text in translations]
    return found


def _is_complete(translations: Any, count: int) -> bool:
    if not isinstance(translations, list) or len(translations) != count:
        return False
    if not all(isinstance(text, str) and text.strip() for text in translations):
        return False
    try:
        "".join(translations).encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True

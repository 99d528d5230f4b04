"""What is asked and answered over HTTP, with its types; the OpenAPI description is made from these."""

from typing import List, Optional

from pydantic import BaseModel, ConfigDict, Field


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Filters(_Strict):
    """Which recordings are searched."""

    folder: Optional[str] = Field(None, description="one of `folders` of /library")
    tags: List[str] = Field([], description="that a recording has, all of them", max_length=20)
    min_duration: Optional[float] = Field(None, ge=0, description="seconds")
    max_duration: Optional[float] = Field(None, ge=0, description="seconds")
    changed_after: Optional[float] = Field(None, description="seconds since 1970")
    changed_before: Optional[float] = Field(None, description="seconds since 1970")


class Search(_Strict):
    """A question: words, words that must not fit, hits of earlier answers, or all of these."""

    words: str = Field("", description="what it sounds like")
    minus: str = Field("", description="what it does not sound like")
    lang: str = Field("eng_Latn", description="FLORES-200 code of both")
    like: List[int] = Field([], description="`window` of hits that it sounds like", max_length=20)
    top: int = Field(10, ge=1, description="hits of this answer")
    offset: int = Field(0, ge=0, description="hits that came before")
    min_similarity: float = Field(-1.0, ge=-1, le=1, description="cosine")
    one_per_recording: bool = Field(False, description="only the best hit of each recording")
    filters: Filters = Filters()


class Span(BaseModel):
    """A hit: a place in a recording."""

    window: int = Field(description="names this hit in `like`")
    recording: int = Field(description="names it in /audio and /peaks")
    name: str = Field(description="file name")
    folder: str = Field(description="where it is in the library")
    start: float = Field(description="seconds")
    end: float = Field(description="seconds")
    duration: float = Field(description="of the recording, seconds")
    similarity: float
    tags: List[str]


class Answer(BaseModel):
    """The hits of a question, the best first."""

    hits: List[Span]
    more: bool = Field(description="whether there are further hits")
    milliseconds: float = Field(description="that the search took")


class Peaks(BaseModel):
    """The outline of a waveform between two times."""

    start: float
    end: float
    low: List[float] = Field(description="least sample of each piece, -1 to 1")
    high: List[float] = Field(description="greatest sample of each piece, -1 to 1")


class Language(BaseModel):
    """A language of queries."""

    code: str = Field(description="FLORES-200")
    iso: str = Field(description="ISO 639-1, or the three letters of the code")
    trained: bool = Field(description="was the model trained in it?")


class LibraryInfo(BaseModel):
    """What can be searched."""

    recordings: int
    windows: int
    folders: List[str]
    tags: List[str]
    languages: List[Language]


class Health(BaseModel):
    """The server works."""

    status: str
    recordings: int
    windows: int
    store: str


class Problem(BaseModel):
    """Why there is no answer, and what to do."""

    error: str

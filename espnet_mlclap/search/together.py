"""Questions of several threads, answered together."""

import threading
from dataclasses import dataclass
from typing import Callable, Generic, List, Optional, Sequence, TypeVar

from espnet_mlclap.utils.errors import UserError

Asked = TypeVar("Asked")
Given = TypeVar("Given")


@dataclass(eq=False)
class _Caller(Generic[Asked, Given]):
    question: Asked
    answers: Optional[List[Given]] = None  # one, when it is there
    alone: bool = False  # those that it was answered with had an error, perhaps not its own


class Together(Generic[Asked, Given]):
    """One thread at a time answers; what is asked meanwhile is answered in one go by the next.

    Nobody waits for company: a question that comes when nothing is being answered is answered at once. One
    of the threads that wait answers for all of them, so that no thread is needed besides theirs.

    Args:
        answer: gives an answer to each of several questions, which does not depend on the others. A
            `UserError` is that of one of them: each is then asked again by itself.
        most: questions that are answered together.
    """

    def __init__(self, answer: Callable[[Sequence[Asked]], Sequence[Given]], most: int):
        self._answer, self._most = answer, most
        self._changed = threading.Condition()
        self._waiting: List[_Caller[Asked, Given]] = []
        self._busy = False

    def __call__(self, question: Asked) -> Given:
        """The answer to a question; raises what answering it raises."""
        caller: _Caller[Asked, Given] = _Caller(question)
        with self._changed:
            self._waiting.append(caller)
        while caller.answers is None:
            company = self._next(caller)
            if not company:
                continue
            try:
                self._answer_all(company)
            except UserError:
                if len(company) == 1:
                    raise
            finally:
                self._end(company)
        return caller.answers[0]

    def _next(self, caller: _Caller[Asked, Given]) -> List[_Caller[Asked, Given]]:
        """Wait until `caller` is answered (empty), or is to answer for these."""
        with self._changed:
            while self._busy and caller.answers is None:
                self._changed.wait()
            if caller.answers is not None:
                return []
            self._busy = True
            others = [one for one in self._waiting if one is not caller and not one.alone]
            company = [caller] if caller.alone else [caller, *others][: self._most]
            self._waiting = [one for one in self._waiting if one not in company]
            return company

    def _answer_all(self, company: Sequence[_Caller[Asked, Given]]) -> None:
        answers = self._answer([one.question for one in company])
        for one, answer in zip(company, answers):
            one.answers = [answer]

    def _end(self, company: Sequence[_Caller[Asked, Given]]) -> None:
        """Let the next thread answer; what was not answered in company will be asked alone."""
        with self._changed:
            self._busy = False
            for one in company:
                if one.answers is None:
                    one.alone = True
                    self._waiting.append(one)
            self._changed.notify_all()

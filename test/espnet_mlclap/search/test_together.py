"""Questions of several threads that are answered together."""

import threading

from espnet_mlclap.search.together import Together
from espnet_mlclap.utils.errors import UserError


class Answering:
    """Answers n with n squared, once `go` is set; notes what was asked together."""

    def __init__(self):
        self.go, self.asked = threading.Event(), []

    def __call__(self, numbers):
        self.asked.append(list(numbers))
        assert self.go.wait(30)
        if "bad" in numbers:
            raise UserError("one of them is bad")
        return [1 / number * number**3 for number in numbers]


def ask_all(together, answering, numbers):
    """Ask the first, and the others while it is being answered; what came of each."""
    outcomes = {}

    def ask(number):
        try:
            outcomes[number] = together(number)
        except (UserError, ZeroDivisionError) as error:
            outcomes[number] = error

    threads = [threading.Thread(target=ask, args=[number]) for number in numbers]
    threads[0].start()
    while not answering.asked:
        pass
    for thread in threads[1:]:
        thread.start()
    while len(together._waiting) < len(numbers) - 1:
        pass
    answering.go.set()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    return outcomes


def test_what_is_asked_meanwhile_is_answered_together():
    answering = Answering()
    outcomes = ask_all(Together(answering, most=6), answering, range(1, 11))
    assert outcomes == {number: number**2 for number in range(1, 11)}
    assert sorted(map(len, answering.asked)) == [1, 3, 6]
    assert sorted(sum(answering.asked, [])) == list(range(1, 11))


def test_nobody_waits_for_company():
    answering = Answering()
    answering.go.set()
    assert Together(answering, most=6)(3) == 9
    assert answering.asked == [[3]]


def test_an_error_is_that_of_one():
    answering = Answering()
    outcomes = ask_all(Together(answering, most=9), answering, [1, 2, "bad", 3])
    error = outcomes.pop("bad")
    assert isinstance(error, UserError)
    assert outcomes == {1: 1, 2: 4, 3: 9}


def test_a_fault_leaves_nobody_waiting():
    answering = Answering()
    outcomes = ask_all(Together(answering, most=9), answering, [1, 2, 0, 3])
    assert isinstance(outcomes.pop(0), ZeroDivisionError)
    # it may have been told to the one who asked for all; the others are answered
    faults = [one for one in outcomes.values() if isinstance(one, ZeroDivisionError)]
    assert len(faults) <= 1
    assert {*outcomes.values()} - {*faults} <= {1, 4, 9}
    answering.asked.clear()
    assert Together(answering, most=9)(4) == 16

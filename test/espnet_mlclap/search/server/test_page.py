"""The page in a real browser: Debian's chromium, without a window."""

import os
import shutil
import time

import pytest

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def browser():
    """A browser; skips where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if BROWSER is None:
        pytest.skip("no browser: apt-get install chromium")
    arguments = ["--autoplay-policy=no-user-gesture-required"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=BROWSER, args=arguments)
        yield started
        started.close()


@pytest.fixture
def open_page(browser, material):
    """A function that opens the page in a browser of some language; what goes wrong in it fails the test."""
    contexts, problems = [], []
    address = material.serve(queries_per_minute=1e6, burst=1000)

    def opened(query="", **options):
        context = browser.new_context(**{"locale": "en-US", **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda one: one.type == "error" and problems.append(one.text))
        page.on(
            "request",
            lambda one: one.url.startswith((address, "blob:")) or problems.append(one.url),
        )
        page.goto(f"{address}/{query}")
        page.wait_for_selector("body[data-ready]")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []


def search(page, words):
    page.fill("#words", words)
    page.press("#words", "Enter")
    page.wait_for_selector(".hit canvas[data-loaded]")


def until(condition, what):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def heard(page):
    """Seconds, and whether it plays."""
    return page.evaluate(
        "() => { const p = document.getElementById('player'); return [p.currentTime, !p.paused]; }"
    )


def names(page):
    return page.locator(".hit .name").all_inner_texts()


def test_type_play_seek_and_more_like_this(open_page):
    page = open_page()
    assert page.locator("#examples button").count() == 4
    assert page.evaluate("() => document.activeElement.id") == "words"
    search(page, "tone 6")
    assert names(page)[0] == "long.flac"
    assert "Hits 1 to 10" in page.inner_text("#status")
    assert page.locator(".hit").first.locator(".bottom .where").inner_text() == "0:30.0 – 0:40.0"
    page.locator(".hit .play").first.click()
    until(lambda: heard(page)[1] and heard(page)[0] > 30.2, "it plays from where the hit begins")
    assert page.locator(".hit.playing").count() == 1
    canvas = page.locator(".hit canvas").first
    box = canvas.bounding_box()
    # shown is 20 s to 50 s: the middle is 35 s
    canvas.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    until(lambda: 34.5 < heard(page)[0] < 60, "a click seeks")
    page.locator(".hit .play").first.click()
    until(lambda: not heard(page)[1], "a second click stops")
    search(page, "tone 2")
    page.locator(".hit .more").first.click()
    page.wait_for_selector("#parts button")
    page.wait_for_selector(".hit canvas[data-loaded]")
    assert "tone2.wav" in page.inner_text("#parts")
    assert "tone2.wav" not in names(page)
    assert page.input_value("#words") == ""


def test_the_span_is_shaded(open_page):
    page = open_page()
    search(page, "tone 6")
    colours = page.locator(
        ".hit canvas"
    ).first.evaluate(  # in the top row, above all but the loudest sound
        """canvas => [0.1, 0.5, 0.9].map(part => Array.from(
            canvas.getContext("2d").getImageData(Math.round(part * canvas.width), 0, 1, 1).data))"""
    )
    before, inside, after = colours
    assert before == after == [0, 0, 0, 0]
    assert inside[3] > 0


def test_the_keyboard_is_enough(open_page):
    page = open_page()
    page.keyboard.type("tone 3")
    page.keyboard.press("Enter")
    page.wait_for_selector(".hit canvas[data-loaded]")
    page.keyboard.press("ArrowDown")
    focused = "() => document.activeElement.querySelector('.name')?.textContent"
    assert page.evaluate(focused) == "tone3.wav"
    page.keyboard.press(" ")
    until(lambda: heard(page)[1], "space plays")
    page.keyboard.press(" ")
    until(lambda: not heard(page)[1], "space stops")
    page.keyboard.press("ArrowDown")
    second = page.evaluate(focused)
    assert second == names(page)[1]
    page.keyboard.press("m")
    page.wait_for_selector("#parts button")
    assert second in page.inner_text("#parts")
    page.locator("h1").click()
    page.keyboard.press("/")
    assert page.evaluate("() => document.activeElement.id") == "words"


def test_a_link_repeats_the_search_and_back_goes_back(open_page):
    page = open_page()
    search(page, "tone 4")
    page.click("summary")
    page.fill("#min_similarity", "0.9")
    page.press("#min_similarity", "Tab")
    page.select_option("#folder", "audio")
    page.select_option("#tag", "field")
    until(
        lambda: "tag=field" in page.url and names(page) == ["tone4.wav"],
        "filters are searched with",
    )
    link = page.url[page.url.index("?") :]
    other = open_page(link)
    assert names(other) == ["tone4.wav"]
    assert other.input_value("#words") == "tone 4"
    assert other.input_value("#min_similarity") == "0.9"
    assert (other.input_value("#folder"), other.input_value("#tag")) == ("audio", "field")
    for _ in range(3):
        page.go_back()
    until(lambda: len(names(page)) == 10, "the search before")


def test_pages(open_page):
    page = open_page()
    search(page, "tone 1")
    first = names(page)
    page.click("#next")
    until(lambda: page.locator("#hits").get_attribute("start") == "11", "the next ones")
    assert names(page) != first
    assert page.is_disabled("#next")
    page.click("#previous")
    until(lambda: names(page) == first, "the first ones")


def test_a_sound_and_words_with_it(open_page, material, tmp_path):
    page = open_page()
    material.tone(tmp_path / "mine.wav", 2)
    page.set_input_files("#sound", tmp_path / "mine.wav")
    page.wait_for_selector(".hit canvas[data-loaded]")
    assert names(page)[0] == "tone2.wav"
    page.fill("#words", "tone 4")
    page.press("#words", "Enter")
    until(lambda: {*names(page)[:2]} == {"tone2.wav", "tone4.wav"}, "both together")
    page.locator("#parts button").click()
    until(lambda: names(page)[0] == "tone4.wav", "without the sound again")


def test_a_sound_that_is_none(browser, material, tmp_path):
    address = material.serve()
    context = browser.new_context(locale="de-DE")
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    (tmp_path / "none.wav").write_text("no sound")
    page.set_input_files("#sound", tmp_path / "none.wav")
    until(lambda: "your recording" in page.inner_text("#problem"), "the error is told")
    context.close()


def test_hostile_names_are_only_text(open_page, material):
    page = open_page("?q=tone+5&lang=eng_Latn")
    page.wait_for_selector(".hit canvas[data-loaded]")
    assert {*names(page)[:2]} == {*material.hostile}
    assert page.locator(".hit img").count() == 0
    assert "taken" not in page.title()
    page.locator(".hit .more").first.click()
    page.wait_for_selector("#parts button")
    assert page.locator("#parts img").count() == 0
    page = open_page("?q=%3Cimg+src%3Dx+onerror%3Ddocument.title%3D1%3E5&like=1+%3Cb%3Ex%3C/b%3E")
    assert page.locator("img, b").count() == 0


@pytest.mark.parametrize(
    ("locale", "title", "tone"),
    [("ja-JP", "音を探す", "音 3"), ("fr-CA", "Trouver des sons", "ton 3")],
)
def test_it_speaks_the_browsers_language(open_page, locale, title, tone):
    page = open_page(locale=locale)
    assert page.inner_text("h1") == title
    assert page.get_attribute("html", "lang") == locale[:2]
    search(page, tone)
    assert names(page)[0] == "tone3.wav"
    page.select_option("#lang", "deu_Latn")
    assert page.inner_text("h1") == "Klänge finden"
    page.select_option("#lang", "por_Latn")
    assert page.inner_text("h1") == "Find sounds", "a language that the page does not speak"


def test_every_control_has_a_name_and_every_language_every_word(open_page):
    page = open_page()
    search(page, "tone 1")
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, canvas, li[tabindex]")].filter(one =>
            !(one.getAttribute("aria-label") || one.textContent.trim()
            || one.labels?.[0]?.textContent.trim())).map(one => one.outerHTML)"""
    )
    assert unnamed == []
    words = page.evaluate("async () => (await fetch('/page/words.json')).json()")
    assert sorted(words) == ["ca", "de", "en", "es", "fr", "ja", "nl", "zh"]
    for language, its in words.items():
        assert its.keys() == words["en"].keys(), language
        for key, text in its.items():
            assert text, (language, key)
            marks = [
                one
                for one in ("{name}", "{start}", "{end}", "{first}", "{last}", "{ms}")
                if one in str(text)
            ]
            assert marks == [one for one in marks if one in str(words["en"][key])]


def test_a_phone_in_the_dark(open_page):
    page = open_page(viewport={"width": 360, "height": 640}, color_scheme="dark")
    search(page, "tone 1")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
    assert (
        page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(20, 25, 26)"
    )

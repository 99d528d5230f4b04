// The page: asks the server, shows hits, plays them. What is asked for stands in the address, so that a link repeats it.

import { Waveform } from "/page/waveform.js";

const PER_PAGE = 10;
const FIELDS = ["minus", "folder", "tag", "min_duration", "max_duration", "changed_after", "changed_before",
  "min_similarity"];
const $ = (id) => document.getElementById(id);
const player = $("player");

let words = {}; // of the page, in its language
let allWords = {};
let languages = [];
let sound = null; // a file that is looked for
let like = []; // hits that are looked for: {window, name}
let shown = []; // {hit, item, waveform} of each hit
let playing = null; // one of `shown`
let latest = 0; // number of the last question: answers to earlier ones come too late

// --- talking to the server

async function fetchJson(address, options = {}) {
  let response;
  try {
    response = await fetch(address, options);
  } catch {
    throw new Error(words.unreachable);
  }
  const content = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(content.error || `${words.failed} (${response.status})`);
  return content;
}

// --- words of the page

function language() {
  return languages.find((one) => one.code === $("lang").value);
}

function speak() {
  const iso = language()?.iso ?? "en";
  words = allWords[iso] ?? allWords.en;
  document.documentElement.lang = allWords[iso] ? iso : "en";
  for (const element of document.querySelectorAll("[data-word]")) {
    element.textContent = words[element.dataset.word];
  }
  $("words").placeholder = words.words;
  $("examples").replaceChildren(...words.examples.map((example) => {
    const button = make("button", { type: "button", textContent: example });
    button.addEventListener("click", () => {
      $("words").value = example;
      submit();
    });
    return wrap("li", button);
  }));
  for (const entry of shown) label(entry);
  showParts();
  showLibrary();
}

let library = null;

function showLibrary() {
  const number = (count) => count.toLocaleString(document.documentElement.lang);
  $("library").textContent = words.library.replace("{recordings}", number(library.recordings))
    .replace("{windows}", number(library.windows));
  fill($("folder"), library.folders);
  fill($("tag"), library.tags);
}

function fill(select, values) {
  const chosen = select.value;
  select.replaceChildren(new Option(words.any, ""), ...values.map((value) => new Option(value, value)));
  select.value = values.includes(chosen) ? chosen : "";
}

function fillLanguages() {
  const name = (one) => {
    try {
      return new Intl.DisplayNames([one.iso], { type: "language" }).of(one.iso) ?? one.code;
    } catch {
      return one.code;
    }
  };
  $("lang").replaceChildren(...languages.map((one) => new Option(name(one), one.code)));
}

function browsersLanguage() {
  for (const wanted of navigator.languages) {
    const found = languages.find((one) => one.iso === wanted.split("-")[0].toLowerCase());
    if (found) return found.code;
  }
  return languages[0].code;
}

// --- the question, in the form and in the address

function toAddress(offset) {
  const query = new URLSearchParams();
  if ($("words").value) query.set("q", $("words").value);
  query.set("lang", $("lang").value);
  for (const one of like) query.append("like", `${one.window} ${one.name}`);
  for (const field of FIELDS) if ($(field).value) query.set(field, $(field).value);
  if ($("one_per_recording").checked) query.set("one_per_recording", "1");
  if (offset) query.set("offset", offset);
  return `?${query}`;
}

function fromAddress() {
  const query = new URLSearchParams(location.search);
  $("words").value = query.get("q") ?? "";
  const code = query.get("lang");
  $("lang").value = languages.some((one) => one.code === code) ? code : browsersLanguage();
  like = query.getAll("like").map((text) => {
    const [window, ...name] = text.split(" ");
    return { window: Number(window), name: name.join(" ") };
  });
  speak(); // makes the choices of folder and tag
  for (const field of FIELDS) $(field).value = query.get(field) ?? "";
  $("one_per_recording").checked = query.has("one_per_recording");
  $("filters").open = FIELDS.some((field) => query.has(field));
  return Number(query.get("offset") ?? 0);
}

function question(offset) {
  const number = (field) => ($(field).value === "" ? null : Number($(field).value));
  const day = (field) => ($(field).value ? new Date(`${$(field).value}T00:00`).getTime() / 1000 : null);
  return {
    words: $("words").value, minus: $("minus").value, lang: $("lang").value,
    like: like.map((one) => one.window), top: PER_PAGE, offset,
    min_similarity: number("min_similarity") ?? -1, one_per_recording: $("one_per_recording").checked,
    filters: {
      folder: $("folder").value || null, tags: $("tag").value ? [$("tag").value] : [],
      min_duration: number("min_duration"), max_duration: number("max_duration"),
      changed_after: day("changed_after"), changed_before: day("changed_before"),
    },
  };
}

/** Ask what the form says, and put it into the address. */
function submit(offset = 0) {
  history.pushState(null, "", toAddress(offset));
  return ask(offset);
}

async function ask(offset) {
  const mine = ++latest;
  $("problem").textContent = "";
  document.title = [$("words").value, "MLCLAP"].filter(Boolean).join(" – ");
  if (!$("words").value.trim() && !like.length && !sound) {
    show({ hits: [], more: false }, 0);
    $("empty").hidden = false;
    $("status").textContent = "";
    return;
  }
  $("empty").hidden = true;
  $("status").textContent = words.searching;
  try {
    const body = JSON.stringify(question(offset));
    const answer = sound
      ? await fetchJson(`/similar?${new URLSearchParams({ wanted: body })}`, {
        method: "POST", body: sound, headers: { "Content-Type": "application/octet-stream" } })
      : await fetchJson("/search", { method: "POST", body, headers: { "Content-Type": "application/json" } });
    if (mine !== latest) return;
    show(answer, offset);
    const first = offset + 1, last = offset + answer.hits.length;
    $("status").textContent = answer.hits.length
      ? words.hits.replace("{first}", first).replace("{last}", last).replace("{ms}", Math.round(answer.milliseconds))
      : words.none;
  } catch (error) {
    if (mine !== latest) return;
    show({ hits: [], more: false }, 0);
    $("status").textContent = "";
    $("problem").textContent = error.message;
  }
}

// --- what is looked for besides words

function showParts() {
  const chips = like.map((one, number) => chip(`${words.like} ${one.name}`, () => like.splice(number, 1)));
  if (sound) chips.unshift(chip(sound.name, () => { sound = null; $("sound").value = ""; }));
  $("parts").replaceChildren(...chips);
}

function chip(text, remove) {
  const button = make("button", { type: "button", textContent: `${text} ✕` });
  button.setAttribute("aria-label", words.remove.replace("{name}", text));
  button.addEventListener("click", () => {
    remove();
    showParts();
    submit();
  });
  return wrap("li", button);
}

function take(file) {
  if (!file) return;
  sound = file;
  showParts();
  submit();
}

function moreLike(entry) {
  like = [{ window: entry.hit.window, name: entry.hit.name }];
  sound = null;
  $("words").value = "";
  showParts();
  submit();
  $("words").focus();
}

// --- hits

function show(answer, offset) {
  stop();
  shown = answer.hits.map(makeHit);
  $("hits").replaceChildren(...shown.map((entry) => entry.item));
  $("hits").start = offset + 1;
  $("pages").hidden = !offset && !answer.more;
  $("previous").disabled = !offset;
  $("next").disabled = !answer.more;
  for (const entry of shown) entry.waveform.load(fetchJson).catch(() => { entry.canvas.hidden = true; });
}

function makeHit(hit) {
  const item = make("li", { className: "hit", tabIndex: 0 });
  const play = make("button", { type: "button", className: "play" });
  const name = make("div", { className: "name", textContent: hit.name });
  const where = make("div", { className: "where", textContent: [hit.folder, ...hit.tags].join(" · ") });
  const similarity = make("span", { className: "similarity", textContent: hit.similarity.toFixed(3) });
  const canvas = make("canvas", {});
  canvas.setAttribute("role", "img");
  const more = make("button", { type: "button", className: "more" });
  const time = make("span", { className: "where", textContent: `${clock(hit.start)} – ${clock(hit.end)}` });
  const entry = { hit, item, play, canvas, more, similarity };
  entry.waveform = new Waveform(canvas, hit, (seconds) => start(entry, seconds));
  item.append(
    wrap("div", play, wrap("div", name, where), similarity), canvas, wrap("div", time, more));
  item.firstChild.className = "top";
  item.lastChild.className = "bottom";
  play.addEventListener("click", () => toggle(entry));
  more.addEventListener("click", () => moreLike(entry));
  item.addEventListener("keydown", (event) => keyOnHit(event, entry));
  label(entry);
  return entry;
}

function label(entry) {
  const { hit } = entry;
  const now = entry === playing && !player.paused;
  entry.play.textContent = now ? "❚❚" : "▶";
  entry.play.setAttribute("aria-label", `${now ? words.pause : words.play} ${hit.name}`);
  entry.more.textContent = words.more;
  entry.more.setAttribute("aria-label", `${words.more}: ${hit.name}`);
  entry.canvas.setAttribute("aria-label", words.span.replace("{start}", clock(hit.start)).replace("{end}", clock(hit.end)));
  entry.similarity.setAttribute("aria-label", `${words.similarity} ${hit.similarity.toFixed(3)}`);
  entry.item.setAttribute("aria-label", `${hit.name}, ${clock(hit.start)}`);
}

// --- playing

function start(entry, seconds) {
  if (playing !== entry) {
    stop();
    playing = entry;
    player.src = `/audio/${entry.hit.recording}#t=${seconds}`;
    entry.item.classList.add("playing");
  }
  player.currentTime = seconds;
  player.play().catch((error) => {
    if (error.name !== "AbortError") $("problem").textContent = words.unplayable.replace("{name}", entry.hit.name);
  });
}

function toggle(entry) {
  if (playing !== entry) start(entry, entry.hit.start);
  else if (player.paused) player.play();
  else player.pause();
}

function stop() {
  player.pause();
  if (!playing) return;
  playing.item.classList.remove("playing");
  playing.waveform.at(null);
  const before = playing;
  playing = null;
  label(before);
}

for (const event of ["play", "pause", "ended"]) player.addEventListener(event, () => playing && label(playing));
player.addEventListener("timeupdate", () => playing?.waveform.at(player.currentTime));

// --- the keyboard

function keyOnHit(event, entry) {
  if (event.target !== entry.item || event.ctrlKey || event.altKey || event.metaKey) return;
  const number = shown.indexOf(entry);
  const actions = {
    " ": () => toggle(entry),
    Enter: () => start(entry, entry.hit.start),
    ArrowDown: () => shown[number + 1]?.item.focus(),
    ArrowUp: () => (shown[number - 1]?.item ?? $("words")).focus(),
    ArrowRight: () => playing === entry && start(entry, player.currentTime + 5),
    ArrowLeft: () => playing === entry && start(entry, Math.max(0, player.currentTime - 5)),
    m: () => moreLike(entry),
  };
  if (!actions[event.key]) return;
  event.preventDefault();
  actions[event.key]();
}

document.addEventListener("keydown", (event) => {
  const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName);
  if (event.key === "/" && !typing) {
    event.preventDefault();
    $("words").focus();
  } else if (event.key === "ArrowDown" && event.target === $("words") && shown.length) {
    event.preventDefault();
    shown[0].item.focus();
  }
});

// --- small things

function make(tag, properties) {
  return Object.assign(document.createElement(tag), properties);
}

function wrap(tag, ...children) {
  const element = document.createElement(tag);
  element.append(...children);
  return element;
}

function clock(seconds) {
  const tenths = Math.round(seconds * 10);
  const [hours, minutes, rest] = [Math.floor(tenths / 36000), Math.floor(tenths / 600) % 60, (tenths % 600) / 10];
  const text = rest.toFixed(1).padStart(4, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${text}` : `${minutes}:${text}`;
}

// --- begin

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
$("lang").addEventListener("change", () => {
  speak();
  if (shown.length) submit();
});
for (const field of [...FIELDS.slice(1), "one_per_recording"]) $(field).addEventListener("change", () => submit());
$("sound").addEventListener("change", () => take($("sound").files[0]));
$("previous").addEventListener("click", () => submit(Math.max(0, $("hits").start - 1 - PER_PAGE)));
$("next").addEventListener("click", () => submit($("hits").start - 1 + PER_PAGE));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dragging");
});
document.addEventListener("dragleave", () => document.body.classList.remove("dragging"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  take(event.dataTransfer.files[0]);
});
window.addEventListener("popstate", () => ask(fromAddress()));

try {
  allWords = await fetchJson("/page/words.json");
  words = allWords.en;
  library = await fetchJson("/library");
  languages = library.languages;
  fillLanguages();
  await ask(fromAddress());
} catch (error) {
  $("problem").textContent = error.message;
}
document.body.dataset.ready = "true";

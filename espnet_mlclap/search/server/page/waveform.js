// Draws the outline of a recording around a hit: its span is shaded, a line shows what is being heard.

const MARGIN = 1; // of the span's length, shown before and after it in long recordings
const WHOLE = 30; // seconds of a recording that is shown as a whole

/** From where to where (seconds) the waveform of a hit is shown. */
export function view(hit) {
  if (hit.duration <= WHOLE) return { start: 0, end: hit.duration };
  const margin = MARGIN * (hit.end - hit.start);
  return { start: Math.max(0, hit.start - margin), end: Math.min(hit.duration, hit.end + margin) };
}

export class Waveform {
  /** @param canvas where to draw  @param hit with start, end, duration  @param onSeek called with seconds */
  constructor(canvas, hit, onSeek) {
    Object.assign(this, { canvas, hit, view: view(hit), peaks: null, now: null });
    canvas.addEventListener("click", (event) => {
      const box = canvas.getBoundingClientRect();
      onSeek(this.view.start + ((event.clientX - box.left) / box.width) * (this.view.end - this.view.start));
    });
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  async load(fetchJson) {
    const { start, end } = this.view;
    const query = new URLSearchParams({ start, end: Math.max(end, start + 0.001), pieces: 300 });
    this.peaks = await fetchJson(`/peaks/${this.hit.recording}?${query}`);
    this.canvas.dataset.loaded = "true";
    this.draw();
  }

  /** Show that `seconds` are being heard; null: nothing is. */
  at(seconds) {
    this.now = seconds;
    this.draw();
  }

  draw() {
    const scale = window.devicePixelRatio || 1;
    const width = (this.canvas.width = Math.round(this.canvas.clientWidth * scale));
    const height = (this.canvas.height = Math.round(this.canvas.clientHeight * scale));
    const pen = this.canvas.getContext("2d");
    const colour = (name) => getComputedStyle(this.canvas).getPropertyValue(name);
    const x = (seconds) => ((seconds - this.view.start) / (this.view.end - this.view.start)) * width;
    pen.fillStyle = colour("--span");
    pen.fillRect(x(this.hit.start), 0, x(this.hit.end) - x(this.hit.start), height);
    if (this.peaks) {
      const { low, high } = this.peaks;
      const loudest = Math.max(0.02, ...high, ...low.map((value) => -value));
      pen.fillStyle = colour("--wave");
      low.forEach((value, piece) => {
        const top = (1 - high[piece] / loudest) * (height / 2);
        const bottom = (1 - value / loudest) * (height / 2);
        const left = (piece / low.length) * width;
        pen.fillRect(left, top, Math.max(1, width / low.length - 1), Math.max(1, bottom - top));
      });
    }
    if (this.now !== null) {
      pen.fillStyle = colour("--accent");
      pen.fillRect(x(this.now) - scale, 0, 2 * scale, height);
    }
  }
}
